
"use strict";
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const items = Array.from(document.querySelectorAll(".item"));
const texts = items.map(item => (item.closest("section").dataset.name + " " + item.textContent).toLowerCase());

function search() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(word => word !== "");
  let count = 0;
  items.forEach((item, number) => {
    item.hidden = !words.every(word => texts[number].includes(word));
    count += item.hidden ? 0 : 1;
  });
  for (const section of document.querySelectorAll("section[data-name]")) {
    section.hidden = words.length > 0 && section.querySelector(".item:not([hidden])") === null;
  }
  found.textContent = words.length > 0 ? `${count} of ${items.length}` : "";
}

function fold(open) {
  for (const one of document.querySelectorAll("details.item, .item details")) {
    one.open = open;
  }
}

document.getElementById("tools").hidden = items.length === 0;
filter.addEventListener("input", search);
document.getElementById("unfold").addEventListener("click", () => fold(true));
document.getElementById("fold").addEventListener("click", () => fold(false));
search();
