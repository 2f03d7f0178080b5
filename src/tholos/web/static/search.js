// Offers words to go on with while one types. Without it the search works all the same.

const PAUSE_MS = 150;

const box = document.querySelector("input[data-suggest]");
const list = document.getElementById("suggestions");
let timer;
let asking;

async function suggest() {
  const text = box.value;
  asking?.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(`${box.dataset.suggest}?q=${encodeURIComponent(text)}`, { signal: asking.signal });
    if (!answer.ok) return;
    const before = text.replace(/\S*$/, "");
    const { items } = await answer.json();
    list.replaceChildren(...items.map((word) => Object.assign(document.createElement("option"), { value: before + word })));
  } catch (error) {
    if (error.name !== "AbortError") list.replaceChildren();
  }
}

box?.addEventListener("input", () => {
  clearTimeout(timer);
  if (box.value.trim().length >= 2) timer = setTimeout(suggest, PAUSE_MS);
});
