// Copy buttons: `<button data-copy="#id-of-the-text">`.

function copyByHand(source) {
  // pages on plain http have no clipboard API
  const selection = window.getSelection();
  const range = document.createRange();
  range.selectNodeContents(source);
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

async function copy(source) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(source.textContent);
      return true;
    } catch {
      // not permitted: try the old way
    }
  }
  return copyByHand(source);
}

export function wireCopyButtons(root) {
  for (const button of root.querySelectorAll("[data-copy]")) {
    const label = button.textContent;
    let timer;
    button.addEventListener("click", async () => {
      const copied = await copy(root.querySelector(button.dataset.copy));
      button.textContent = copied ? "Copied" : "Select and copy";
      button.classList.toggle("p2m-copied", copied);
      clearTimeout(timer);
      timer = setTimeout(() => {
        button.textContent = label;
        button.classList.remove("p2m-copied");
      }, 2000);
    });
  }
}
