// Everything works without this file. It moves waiting pages on, keeps a double click from sending twice, puts the focus
// on what went wrong, and lets signatories be dragged.
"use strict";

(() => {
  const problem = document.querySelector("[data-qcp-focus]");
  if (problem) problem.focus();

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.closest(".qcp")) return;
    if (form.dataset.qcpSent) {
      event.preventDefault();
      return;
    }
    form.dataset.qcpSent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  });
  // The back button may bring a page back as it was left, with its forms sent.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll(".qcp form")) {
      delete form.dataset.qcpSent;
      for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
    }
  });

  for (const list of document.querySelectorAll("[data-qcp-sortable]")) {
    let held = null;
    for (const item of list.children) {
      item.draggable = true;
      item.addEventListener("dragstart", (event) => {
        // Text in a field is selected by dragging, too: only the item itself moves.
        if (event.target !== item) return;
        held = item;
        event.dataTransfer.effectAllowed = "move";
      });
      item.addEventListener("dragover", (event) => {
        if (!held || held === item) return;
        event.preventDefault();
        item.dataset.qcpOver = "yes";
      });
      item.addEventListener("dragleave", () => { delete item.dataset.qcpOver; });
      item.addEventListener("dragend", () => { held = null; });
      item.addEventListener("drop", (event) => {
        if (!held) return; // a text or a file: the browser's own to take
        event.preventDefault();
        delete item.dataset.qcpOver;
        const items = [...list.children];
        list.insertBefore(held, items.indexOf(held) < items.indexOf(item) ? item.nextSibling : item);
        held = null;
        // Numbers and buttons are made anew by the server, from the order of the fields.
        const form = list.closest("form");
        form.requestSubmit(form.querySelector("button[value=update]"));
      });
    }
  }

  const waiting = document.querySelector("[data-qcp-poll]");
  if (!waiting) return;
  const mark = waiting.dataset.qcpMark;

  // Asks now and again, more and more slowly.
  const poll = () => {
    let delay = 2000;
    const again = () => {
      // A little chance, so that many browsers do not ask at the same moment.
      window.setTimeout(ask, delay * (0.8 + 0.4 * Math.random()));
      delay = Math.min(delay * 1.3, 30000);
    };
    const ask = async () => {
      if (document.hidden) {
        document.addEventListener("visibilitychange", () => { delay = 2000; ask(); }, { once: true });
        return;
      }
      try {
        const headers = { "If-None-Match": `"${mark}"` };
        const answer = await fetch(waiting.dataset.qcpPoll, { headers, cache: "no-store" });
        if (answer.status === 200 && (await answer.json()).mark !== mark) {
          window.location.reload();
          return;
        }
      } catch {
        // Offline for a moment: ask again later.
      }
      again();
    };
    again();
  };

  // Is told, where the host can tell; what tells nothing, or is lost three times in a row, is not waited for.
  const listen = () => {
    let source = null;
    let lost = 0;
    let silent = 0;
    const stop = () => {
      window.clearTimeout(silent);
      if (source) source.close();
      source = null;
    };
    const start = () => {
      source = new EventSource(waiting.dataset.qcpEvents);
      // A proxy may keep everything until the end: the first event comes at once, or none will.
      silent = window.setTimeout(() => { stop(); poll(); }, 10000);
      source.addEventListener("mark", (event) => {
        window.clearTimeout(silent);
        lost = 0;
        if (event.data === mark) return;
        stop();
        window.location.reload();
      });
      source.addEventListener("error", () => {
        lost += 1;
        if (source.readyState !== EventSource.CLOSED && lost < 3) return;
        stop();
        poll();
      });
    };
    // A page that nobody looks at holds no connection: browsers open but six to a host.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && source) {
        stop();
        document.addEventListener("visibilitychange", start, { once: true });
      }
    });
    start();
  };

  if (waiting.dataset.qcpEvents && "EventSource" in window) listen();
  else poll();
})();
