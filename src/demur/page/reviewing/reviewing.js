// A candidate prompt, and what is known of it as pairs of a name and a text.
function showItem(item) {
  byId("prompt").replaceChildren(...lines(item.prompt));
  byId("facts").replaceChildren(...item.facts.flatMap(([name, text]) => {
    const term = document.createElement("dt"), value = document.createElement("dd");
    term.textContent = name;
    value.textContent = text;
    value.dir = "auto";
    return [term, value];
  }));
  byId("about").hidden = item.facts.length === 0;
}
