
"use strict";
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const items = Array.from(document.querySelectorAll(".item"));
const texts = items.map(item => (item.closest("section").dataset.host + " " + item.textContent).toLowerCase());

function search() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(word => word !== "");
  let count = 0;
  items.forEach((item, number) => {
    item.hidden = !words.every(word => texts[number].includes(word));
    count += item.hidden ? 0 : 1;
  });
  for (const host of document.querySelectorAll("section.host")) {
    host.hidden = words.length > 0 && host.querySelector(".item:not([hidden])") === null;
  }
  found.textContent = words.length > 0 ? `${count} of ${items.length}` : "";
}

function fold(open) {
  for (const one of document.querySelectorAll("details.item")) {
    one.open = open;
  }
}

filter.addEventListener("input", search);
document.getElementById("unfold").addEventListener("click", () => fold(true));
document.getElementById("fold").addEventListener("click", () => fold(false));
document.getElementById("tools").hidden = false;
search();
