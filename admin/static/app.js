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

  // Each event of the stream names an element by its id and carries its new
  // contents as the server renders them, so that there is one place that
  // words and marks up what is shown. Only what changed is touched, and never
  // what somebody is using.
  const replace = (change) => {
    const node = document.getElementById(change.id);
    if (!node || node.contains(document.activeElement)) return;
    if (node.dataset.version === change.version) return;
    node.innerHTML = change.html;
    node.dataset.version = change.version;
    localTimes(node);
  };

  const listen = (address) => {
    const lost = document.getElementById("stream-lost");
    const source = new EventSource(address);
    source.addEventListener("change", (event) => replace(JSON.parse(event.data)));
    source.addEventListener("reload", () => location.reload());
    source.addEventListener("open", () => { if (lost) lost.hidden = true; });
    source.addEventListener("error", () => { if (lost) lost.hidden = false; });
    addEventListener("pagehide", () => source.close());
  };

  localTimes(document);
  if (document.body.dataset.stream) listen(document.body.dataset.stream);

  // A select that submits is convenient where there is a script; the button
  // stays for those who have none.
  for (const node of document.querySelectorAll("form[data-auto] select")) {
    node.addEventListener("change", () => node.form.requestSubmit());
  }
})();
