// Moves the size without loading the page again; without this script the form does the same.
"use strict";
(() => {
  const slider = document.getElementById("slider"), users = document.getElementById("users");
  const answer = document.getElementById("answer"), status = document.getElementById("status");
  if (!slider) return;
  const most = Math.max(1, Number(slider.dataset.most)), steps = Number(slider.max);
  const demand = document.getElementById("q").value.trim();
  const sizeAt = (step) => Math.max(1, Math.min(most, Math.round(most ** (step / steps))));
  const stepOf = (size) => most > 1 ? Math.round(Math.log(size) / Math.log(most) * steps) : 0;
  let timer = 0, latest = 0;

  const say = (size) => slider.setAttribute("aria-valuetext", `${size.toLocaleString("en")} ${slider.dataset.plural}`);

  async function show(size) {
    const turn = ++latest;
    const query = new URLSearchParams({ q: demand, users: size });
    answer.classList.add("busy");
    answer.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`/answer?${query}`);
      const text = await reply.text();
      if (turn !== latest) return;
      if (!reply.headers.get("content-type").startsWith("text/html")) throw new Error(text);
      answer.innerHTML = text;
      status.textContent = answer.querySelector("h2, strong")?.textContent ?? "";
      history.replaceState(null, "", `/?${query}`);
    } catch {
      if (turn === latest) status.textContent = "The server does not answer: is findcli serve still running?";
    } finally {
      if (turn === latest) { answer.classList.remove("busy"); answer.removeAttribute("aria-busy"); }
    }
  }

  function soon(size) {
    say(size);
    clearTimeout(timer);
    timer = setTimeout(() => show(size), 120);
  }

  slider.value = stepOf(Number(users.value));
  say(Number(users.value));
  document.getElementById("slide").hidden = false;
  slider.addEventListener("input", () => { users.value = sizeAt(Number(slider.value)); soon(Number(users.value)); });
  users.addEventListener("input", () => {
    if (!users.checkValidity()) return;
    slider.value = stepOf(Number(users.value));
    soon(Number(users.value));
  });
})();
