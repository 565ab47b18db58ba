// One switch for all code, and a contents list that follows the reader. The page reads well without.
const cells = document.querySelectorAll("details.code");
const button = document.getElementById("all-code");
button.hidden = cells.length === 0;
button.addEventListener("click", () => {
  const open = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", open);
  cells.forEach((cell) => { cell.open = open; });
});

const entries = new Map();
document.querySelectorAll("ul.chapters a[href^='#']").forEach((link) => {
  const heading = document.getElementById(decodeURIComponent(link.hash.slice(1)));
  if (heading) entries.set(heading, link);
});
const headings = [...entries.keys()];
let current = null;
function follow() {
  const passed = headings.filter((heading) => heading.getBoundingClientRect().top < 120);
  const now = entries.get(passed.at(-1) ?? headings[0]);
  if (now === current) return;
  current?.removeAttribute("aria-current");
  document.querySelectorAll("nav.contents li.open").forEach((item) => item.classList.remove("open"));
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
