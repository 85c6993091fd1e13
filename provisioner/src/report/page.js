"use strict";
const filter = document.getElementById("filter");
const found = document.getElementById("found");
const choices = Array.from(document.querySelectorAll(".choice"));
const items = Array.from(document.querySelectorAll(".item"));
const texts = items.map(item => (item.closest("section").dataset.name + " " + item.textContent).toLowerCase());

// What an item says of itself in the attribute that a choice is about, as words between spaces.
function isChosen(item) {
  return choices.every(choice => choice.value === ""
    || ` ${item.dataset[choice.dataset.by] ?? ""} `.includes(` ${choice.value} `));
}

function search() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(word => word !== "");
  const narrowed = words.length > 0 || choices.some(choice => choice.value !== "");
  let count = 0;
  items.forEach((item, number) => {
    item.hidden = !isChosen(item) || !words.every(word => texts[number].includes(word));
    count += item.hidden || item.matches(".again") ? 0 : 1;
  });
  for (const section of document.querySelectorAll("section[data-name]")) {
    section.hidden = narrowed && section.querySelector(".item:not([hidden])") === null;
  }
  const all = items.filter(item => !item.matches(".again")).length;
  found.textContent = narrowed ? `${count} of ${all}` : "";
}

function fold(open) {
  for (const one of document.querySelectorAll("details.item, .item details")) {
    one.open = open;
  }
}

// A host that is clicked on in a picture is chosen.
function follow() {
  const name = decodeURIComponent(location.hash).match(/^#host-(.*)$/)?.[1];
  const choice = choices.find(choice => choice.dataset.by === "hosts");
  if (choice && Array.from(choice.options).some(option => option.value === name)) {
    choice.value = name;
    search();
  }
}

document.getElementById("tools").hidden = items.length === 0;
filter.addEventListener("input", search);
choices.forEach(choice => choice.addEventListener("change", search));
document.getElementById("unfold").addEventListener("click", () => fold(true));
document.getElementById("fold").addEventListener("click", () => fold(false));
window.addEventListener("hashchange", follow);
search();
follow();
