// Makes the page live. Without it everything works but has to be reloaded.
"use strict";

(() => {
  const language = document.documentElement.lang || "en";

  // The server does not know the reader's time zone.
  const instant = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const localTimes = (root) => {
    for (const node of root.querySelectorAll("time[datetime]")) {
      const at = new Date(node.dateTime);
      if (!Number.isNaN(at.getTime())) node.textContent = instant.format(at);
    }
  };

  // What somebody has ticked, typed or opened in a part of the page, to be done
  // again to what takes its place.
  const fields = (root) => root.querySelectorAll("input:not([type=hidden]), select, textarea");
  const ticks = (field) => field.type === "checkbox" || field.type === "radio";
  const changed = (field) => {
    if (ticks(field)) return field.checked !== field.defaultChecked;
    if (field.options) return [...field.options].some((o) => o.selected !== o.defaultSelected);
    return field.value !== field.defaultValue;
  };
  const nameOf = (field) => [field.id, field.name, ticks(field) ? field.value : ""].join("\n");
  const keep = (root) => {
    const kept = new Map([...fields(root)].filter(changed).map((f) => [nameOf(f), f]));
    const open = [...root.querySelectorAll("details")].map((d) => d.open);
    return () => {
      for (const field of fields(root)) {
        const old = kept.get(nameOf(field));
        if (old && ticks(field)) field.checked = old.checked;
        else if (old) field.value = old.value;
      }
      root.querySelectorAll("details").forEach((d, i) => { if (open[i]) d.open = true; });
    };
  };

  // Each event of the stream names an element by its id and carries its new
  // contents as the server renders them, so that there is one place that
  // words and marks up what is shown. Only what changed is touched, and what
  // somebody is using not before they have left it.
  const waiting = new Map();
  const jobOf = (node) => node.querySelector("[data-job]")?.dataset.job;
  const replace = (change) => {
    const node = document.getElementById(change.id);
    waiting.delete(change.id);
    if (!node || node.dataset.version === change.version) return;
    if (node.contains(document.activeElement)) {
      waiting.set(change.id, change);
      return;
    }
    const job = jobOf(node), again = keep(node);
    node.innerHTML = change.html;
    node.dataset.version = change.version;
    again();
    localTimes(node);
    copyButtons(node);
    // What a job has found stands on the rest of the page.
    if (job === "running" && jobOf(node) !== "running" && ![...fields(document)].some(changed)) location.reload();
  };
  document.addEventListener("focusout", () => setTimeout(() => waiting.forEach(replace)));

  // The browser connects again by itself, unless a proxy in front answered for
  // a server that is just being started again.
  const patience = 5000;
  const listen = (address) => {
    const source = new EventSource(address);
    const lost = document.getElementById("stream-lost");
    let worry = 0;
    source.addEventListener("change", (event) => replace(JSON.parse(event.data)));
    source.addEventListener("open", () => {
      clearTimeout(worry);
      worry = 0;
      if (lost) lost.hidden = true;
    });
    source.addEventListener("error", () => {
      worry ||= setTimeout(() => {
        if (lost) lost.hidden = false;
        worry = 0;
        if (source.readyState === EventSource.CLOSED) listen(address);
      }, patience);
    });
    addEventListener("pagehide", () => {
      clearTimeout(worry);
      source.close();
    });
  };

  // Values to be pasted elsewhere are copied with a button beside them.
  const copyButtons = (root) => {
    if (navigator.clipboard) root.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.classList.add("done");
    button.blur(); // what is live goes on
    setTimeout(() => button.classList.remove("done"), 1500);
  });

  // One box ticks all of its table.
  for (const all of document.querySelectorAll("input[data-all]")) {
    const boxes = () => [...all.closest("table").querySelectorAll('tbody input[type="checkbox"]')];
    all.hidden = false;
    all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
    all.closest("table").addEventListener("change", (event) => {
      if (event.target === all) return;
      const ticked = boxes().filter((box) => box.checked).length;
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && !all.checked;
    });
  }

  localTimes(document);
  copyButtons(document);
  if (document.body.dataset.stream) listen(document.body.dataset.stream);
  // A page that comes back from the browser's memory has no stream any more.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
