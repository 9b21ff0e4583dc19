// Small live parts that pages share: texts and lists of facts that change only when what they say does.

/** Set a text; an unchanged live region stays silent. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill a `<dl>` with `facts`, pairs of name and value; without any it is hidden. */
export function renderFacts(list, facts) {
  const text = JSON.stringify(facts);
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.hidden = facts.length === 0;
  list.replaceChildren(
    ...facts.map(([name, value]) => {
      const pair = document.createElement("div");
      const term = document.createElement("dt");
      const meaning = document.createElement("dd");
      term.textContent = name;
      meaning.textContent = value;
      meaning.title = value;
      pair.append(term, meaning);
      return pair;
    }),
  );
}
