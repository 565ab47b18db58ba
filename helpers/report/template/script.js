// Comfort for those who run scripts; the page reads well without.
const all = (selector) => [...document.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);

// One switch for all code.
const cells = all("details.code");
const button = byId("all-code");
button.hidden = cells.length === 0;
button.addEventListener("click", () => {
  const open = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", open);
  cells.forEach((cell) => { cell.open = open; });
});

// A data set chosen in one place is chosen everywhere; what is read stays where it is.
all(".tabs > input").forEach((input) => input.addEventListener("change", () => {
  const top = input.getBoundingClientRect().top;
  all(".tabs > input").forEach((other) => {
    if (other.dataset.tab === input.dataset.tab) other.checked = true;
  });
  scrollBy(0, input.getBoundingClientRect().top - top);
}));

// A link to what is folded, or in another tab, opens it.
function reveal() {
  const target = byId(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let box = target; box; box = box.parentElement) {
    if (box.localName === "details") box.open = true;
    if (box.matches(".tabs > .panel")) {
      const wanted = box.dataset.set;
      [...box.parentElement.children].forEach((tab) => {
        if (tab.dataset.tab === wanted) tab.checked = true;
      });
    }
  }
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);
if (location.hash) reveal();

// Contents: folded on a narrow screen, following the reader on a wide one.
const fold = document.querySelector("nav.contents details.fold");
const narrow = matchMedia("(max-width: 74.99rem)");
if (fold) {
  fold.open = !narrow.matches;
  narrow.addEventListener("change", () => { fold.open = !narrow.matches; });
  addEventListener("beforeprint", () => { all("details.numbers").forEach((d) => { d.open = true; }); });
}
const entries = new Map();
all("ul.chapters a[href^='#']").forEach((link) => {
  const heading = byId(decodeURIComponent(link.hash.slice(1)));
  if (heading) entries.set(heading, link);
});
const headings = [...entries.keys()];
let current = null;
function follow() {
  const passed = headings.filter((heading) => heading.getBoundingClientRect().top < 120);
  const now = entries.get(passed.at(-1) ?? headings[0]);
  if (now === current) return;
  current?.removeAttribute("aria-current");
  all("nav.contents li.open").forEach((item) => item.classList.remove("open"));
  current = now;
  current?.setAttribute("aria-current", "location");
  current?.closest("ul.chapters > li")?.classList.add("open");
  const list = current?.closest("nav");
  if (list && list.scrollHeight > list.clientHeight) {
    list.scrollTop = current.offsetTop - list.clientHeight / 2;
  }
}
let waiting = false;
addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; follow(); });
}, { passive: true });
document.documentElement.classList.add("follows");
follow();

// Tables that sort by the column whose head is pressed: numbers by size, no value last.
all("table.sortable").forEach((table) => {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const sort = document.createElement("button");
    sort.type = "button";
    sort.className = "sort";
    sort.append(...head.childNodes);
    head.append(sort);
    sort.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const text = row.cells[column].textContent.trim().replace("−", "-");
        const value = parseFloat(text);
        return Number.isNaN(value) ? text : value;
      };
      const body = table.tBodies[0];
      const empty = (value) => value === "–" || value === "";
      [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (empty(x) || empty(y)) return empty(x) - empty(y);
        const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(y);
        return down ? -order : order;
      }).forEach((row) => body.append(row));
    });
  });
});

// A citation to copy.
const copy = byId("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("citation").textContent);
    copy.textContent = "Copied";
  });
}

// A figure that is tapped is shown as large as the window, with its file to save.
const sheet = document.createElement("dialog");
sheet.setAttribute("aria-label", "Enlarged figure");
sheet.innerHTML = '<p><button type="button" autofocus>Close</button><a>Save this picture</a></p><div class="sheet" tabindex="0" role="group" aria-label="Picture"></div>';
document.body.append(sheet);
sheet.querySelector("button").addEventListener("click", () => sheet.close());
sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
all("figure.figure img").forEach((image) => {
  const figure = image.closest("figure");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.title = "Enlarge";
  const picture = image.closest("picture") ?? image;
  picture.before(button);
  button.append(picture);
  button.addEventListener("click", () => {
    const copy = image.cloneNode();
    copy.className = figure.classList.contains("pictures") ? "pictures" : "";
    const save = sheet.querySelector("a");
    save.href = image.src;
    save.download = `${figure.id}.${image.src.startsWith("data:image/svg") ? "svg" : "png"}`;
    sheet.querySelector(".sheet").replaceChildren(copy);
    sheet.showModal();
  });
});
