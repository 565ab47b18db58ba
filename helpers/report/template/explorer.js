// The explorer: images, answers and accuracies that chapters have stored, one choice at a time. Without
// script, or in a browser that cannot unpack them, the gallery stays in its place.
{
  const SVG = "http://www.w3.org/2000/svg";
  const MOST = 10; // classes shown at once
  const id = (name) => document.getElementById(`explorer-${name}`);
  const percent = (n, of) => `${(Math.round((1000 * n) / of) / 10).toFixed(1)} %`;
  const size = (epsilon) => (epsilon === null ? "no ε" : `ε = ${epsilon}`);

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  function element(name, attributes = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  }

  const spoken = (text) => element("span", { class: "spoken" }, text);

  function draw(canvas, pixels, [height, width, channels]) {
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    for (let k = 0; k < width * height; k += 1) {
      for (let c = 0; c < 3; c += 1) image.data[4 * k + c] = pixels[channels * k + (channels > 1 ? c : 0)];
      image.data[4 * k + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  function start(sets) {
    const now = { set: null, image: 0, series: null, stop: 0, epsilon: 0 };
    const numbers = (set) => set.shape.reduce((a, b) => a * b);
    const clean = (set, k) => set.pixels.subarray(k * numbers(set), (k + 1) * numbers(set));
    const unique = (values) => [...new Set(values)];

    // The attacked image of one stop, or null where the attack was not made on this image.
    function attacked({ set, image, series, epsilon }) {
      const made = set.attacked.find((one) => one.attack === series.attack
        && one.made_on === series.made_on && one.stops.includes(epsilon) && one.rows.includes(image));
      if (!made) return null;
      const n = numbers(set);
      const from = n * (made.stops.indexOf(epsilon) * made.rows.length + made.rows.indexOf(image));
      return clean(set, image).map((value, k) => value + made.pixels[from + k]); // modulo 256
    }

    function fill(select, values, chosen) {
      select.replaceChildren(...values.map(([value, text]) => element("option", { value }, text)));
      select.value = values.some(([value]) => value === chosen) ? chosen : values[0]?.[0];
    }

    // Fill what there is to choose, keep what was chosen where it is still there.
    function choices() {
      const { set } = now;
      fill(id("model"), unique(set.answers.map((a) => a.model)).map((m) => [m, m]), id("model").value);
      const ofModel = set.answers.filter((a) => a.model === id("model").value);
      const attacks = unique(ofModel.map((a) => a.attack));
      const label = (attack) => ofModel.find((a) => a.attack === attack).label;
      fill(id("attack"), attacks.map((a) => [a, label(a)]), id("attack").value);
      const ofAttack = ofModel.filter((a) => a.attack === id("attack").value);
      const itself = id("source").value === now.series?.model ? id("model").value : id("source").value;
      const told = (a) => (a.made_on === a.model ? "this model itself" : `the ${a.made_on}`);
      fill(id("source"), ofAttack.map((a) => [a.made_on, told(a)]), itself);
      now.series = ofAttack.find((a) => a.made_on === id("source").value);
      const { stops } = now.series;
      const range = id("epsilon");
      range.disabled = stops.length < 2;
      range.max = stops.length - 1;
      const near = stops.map((stop) => Math.abs(stop - now.epsilon));
      range.value = near.indexOf(Math.min(...near));
    }

    function show(moved = false) {
      const { set, image, series } = now;
      now.stop = Number(id("epsilon").value);
      const epsilon = series.stops[now.stop];
      if (epsilon !== null && moved) now.epsilon = epsilon;
      id("size").textContent = epsilon === null ? "none" : epsilon;
      id("epsilon").setAttribute("aria-valuetext", size(epsilon));
      const { y } = set.images[image];
      const row = series.rows.indexOf(image);
      const before = set.seen[series.model][image];
      const after = row < 0 ? null : series.shares[now.stop][row];
      const result = attacked({ set, image, series, epsilon });
      pictures(result, y, before, after);
      classes(y, before, after);
      curve();
      says(epsilon, y, before, after, result);
    }

    const best = (shares) => shares.indexOf(Math.max(...shares));
    const seen = (shares) => `${now.set.classes[best(shares)]} (${percent(Math.max(...shares), 1000)})`;

    function pictures(result, y, before, after) {
      const { set, image } = now;
      const x = clean(set, image);
      draw(id("before"), x, set.shape);
      id("before").setAttribute("aria-label", `The image: ${set.classes[y]}, seen as ${seen(before)}`);
      id("before-seen").textContent = `Image: ${seen(before)}`;
      id("after-seen").textContent = after ? `Attacked: ${seen(after)}` : "Not attacked";
      const change = result ? Array.from(result, (value, k) => value - x[k]) : Array.from(x, () => 0);
      const largest = change.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const factor = largest ? Math.max(1, Math.floor(1270 / largest) / 10) : 1;
      const text = !result ? "Not attacked" : largest ? `Change × ${factor}` : "No change";
      draw(id("change"), Uint8ClampedArray.from(change, (value) => 128 + factor * value), set.shape);
      id("factor").textContent = text;
      id("change").setAttribute("aria-label",
        largest ? `The change, magnified ${factor} times; the largest is ${largest} of 255` : text);
      draw(id("after"), result ?? x, set.shape);
      id("after").setAttribute("aria-label",
        after ? `The attacked image: seen as ${seen(after)}` : "This image was not attacked");
    }

    function classes(y, before, after) {
      const { set } = now;
      let order = set.classes.map((_, k) => k);
      if (order.length > MOST) {
        const weight = (k) => Math.max(before[k], after?.[k] ?? 0) + (k === y ? 2000 : 0);
        order = order.sort((a, b) => weight(b) - weight(a)).slice(0, MOST);
      }
      const number = (shares, k) => (shares ? (shares[k] / 10).toFixed(1) : "–");
      id("classes").replaceChildren(...order.map((k) => {
        const bar = element("span", { class: "bar" });
        bar.style.width = `${(after ?? before)[k] / 10}%`;
        const name = element("th", { scope: "row" }, set.classes[k]);
        if (k === y) name.append(element("span", { "aria-hidden": "true" }, " ✓"), spoken(" (right answer)"));
        return element("tr", k === y ? { class: "right" } : {}, name,
          element("td", { class: "num" }, number(before, k)),
          element("td", { class: "num" }, number(after, k)), element("td", {}, bar));
      }));
    }

    // Accuracy under the chosen attack: of the chosen model as a line, of all others beside it.
    function curve() {
      const { set, series, stop } = now;
      const at = series.stops[stop];
      const all = set.answers.filter((a) => a.attack === series.attack);
      id("title").textContent = `Accuracy under ${series.label}${at === null ? "" : ", against ε"}`;
      const there = all.filter((a) => a.stops.includes(at)).map((a) => [a, a.accuracy[a.stops.indexOf(at)]]);
      const counts = unique(there.map(([, accuracy]) => accuracy[1])).sort((a, b) => a - b);
      const tested = `on ${counts.map((n) => n.toLocaleString("en")).join(" or ")} test images`;
      id("at").textContent = at === null
        ? `Accuracy ${tested}; L-BFGS has no ε: it looks for the nearest image that fools`
        : `Accuracy at ε = ${at}, ${tested}`;
      id("accuracies").replaceChildren(...there.map(([a, [right, of, low, high]]) => {
        const made = a.made_on === a.model ? "itself" : `the ${a.made_on}`;
        const name = element("th", { scope: "row" }, a.model);
        if (a === series) name.append(spoken(" (chosen)"));
        return element("tr", a === series ? { class: "right" } : {}, name, element("td", {}, made),
          element("td", { class: "num" }, percent(right, of)),
          element("td", { class: "num" }, `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`));
      }));
      id("line").hidden = at === null;
      id("others").hidden = all.length < 2;
      if (at !== null) line(series, all, at);
    }

    function line(series, all, at) {
      const picture = id("curve");
      const grid = unique(all.flatMap((a) => a.stops)).sort((a, b) => a - b);
      const x = (epsilon) => 42 + (366 * grid.indexOf(epsilon)) / Math.max(1, grid.length - 1);
      const y = (share) => 206 - 196 * share;
      const middle = ([n, of]) => n / of;
      const points = (a, share) => a.stops.map((e, k) => `${x(e)},${y(share(a.accuracy[k]))}`);
      const add = (name, attributes, text = "") => {
        const made = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
        made.textContent = text;
        picture.append(made);
      };
      // Two stops are no curve: only their ends are drawn.
      const course = (a, kind) => {
        if (a.stops.length > 2) add("polyline", { class: kind, points: points(a, middle).join(" ") });
        a.stops.forEach((e, k) =>
          add("circle", { class: `stop ${kind}`, cx: x(e), cy: y(middle(a.accuracy[k])), r: 3 }));
      };
      picture.replaceChildren();
      for (const share of [0, 0.25, 0.5, 0.75, 1]) {
        add("line", { class: "grid", x1: 42, x2: 408, y1: y(share), y2: y(share) });
        add("text", { x: 36, y: y(share) + 4, "text-anchor": "end" }, `${100 * share}`);
      }
      for (const epsilon of grid) add("text", { x: x(epsilon), y: 224, "text-anchor": "middle" }, `${epsilon}`);
      add("text", { x: 225, y: 244, "text-anchor": "middle" }, "ε (up: accuracy in %)");
      all.filter((a) => a !== series).forEach((a) => course(a, "other"));
      const band = [...points(series, (a) => a[2]), ...points(series, (a) => a[3]).reverse()];
      if (series.stops.length > 2) add("polygon", { class: "band", points: band.join(" ") });
      course(series, "this");
      add("line", { class: "now", x1: x(at), x2: x(at), y1: 10, y2: 206 });
      add("circle", { class: "dot", cx: x(at), cy: y(middle(series.accuracy[series.stops.indexOf(at)])), r: 6 });
      const told = series.stops.map((e, k) => `${percent(...series.accuracy[k].slice(0, 2))} at ${e}`);
      picture.setAttribute("aria-label", `Accuracy of this model against ε: ${told.join(", ")}. The mark stands at ${at}.`);
    }

    function says(epsilon, y, before, after, result) {
      const { set, series, image } = now;
      const was = `Without attack it sees ${seen(before)}`;
      const truth = `The right answer is ${set.classes[y]}.`;
      if (!after) {
        id("says").textContent = `${series.label} was not run on this image. ${was}. ${truth}`;
        return;
      }
      const elsewhere = series.made_on === series.model ? "" : ` made on the ${series.made_on},`;
      const same = result.every((value, k) => value === clean(set, image)[k]);
      if (epsilon === 0) id("says").textContent = `ε = 0: nothing is changed. The model sees ${seen(before)}. ${truth}`;
      else {
        const how = epsilon === null && same ? "L-BFGS found no adversarial image"
          : `After ${series.label}${elsewhere}${epsilon === null ? "" : ` with ε = ${epsilon}`} the model sees ${seen(after)}`;
        const right = best(after) === y;
        const end = right ? "Still right." : best(before) === y ? "The attack succeeds." : "Wrong before and after.";
        id("says").textContent = same ? `${how}. ${was}. ${truth}` : `${how}. ${end} ${was}. ${truth}`;
      }
    }

    function radios(box, group, labels, change) {
      const inputs = labels.map((label, k) => {
        const input = element("input", { type: "radio", name: `explorer-${group}`, value: k });
        input.addEventListener("change", () => change(k));
        box.append(element("label", {}, input, ...label));
        return input;
      });
      return inputs;
    }

    function open(set) {
      now.set = set;
      now.epsilon = set.epsilon;
      const box = id("image").querySelector(".options");
      box.replaceChildren();
      const labels = set.images.map(({ y }, k) => {
        const canvas = element("canvas", { "aria-hidden": "true" });
        draw(canvas, clean(set, k), set.shape);
        const many = set.images.filter((other) => other.y === y);
        const which = many.length > 1 ? ` (${many.indexOf(set.images[k]) + 1})` : "";
        return [canvas, `${set.classes[y]}${which}`];
      });
      now.image = 0;
      choices();
      const fooled = now.series.shares[Number(id("epsilon").value)].findIndex((shares, k) => {
        const place = now.series.rows[k];
        return best(shares) !== set.images[place].y && best(set.seen[now.series.model][place]) === set.images[place].y;
      });
      now.image = now.series.rows[Math.max(0, fooled)] ?? 0;
      radios(box, "image", labels, (k) => { now.image = k; show(); })[now.image].checked = true;
      show();
    }

    for (const name of ["model", "attack", "source"])
      id(name).addEventListener("change", () => { choices(); show(); });
    id("epsilon").addEventListener("input", () => show(true));
    const data = id("data");
    data.hidden = sets.length < 2;
    radios(data.querySelector(".options"), "data", sets.map((set) => [set.label]), (k) => open(sets[k]))[0].checked = true;
    open(sets[0]);
  }

  const stored = id("all");
  if (stored && "DecompressionStream" in window) {
    const sets = JSON.parse(stored.textContent);
    const packed = sets.flatMap((set) => [[set, set.clean], ...set.attacked.map((one) => [one, one.changes])]);
    Promise.all(packed.map(async ([owner, text]) => { owner.pixels = await unpack(text); })).then(() => {
      start(sets);
      document.getElementById("explorer").hidden = false;
      document.documentElement.classList.add("explores");
    });
  }
}
