// An answer and the request that it is to.
function showItem(item) {
  byId("request").replaceChildren(...lines(item.request));
  byId("response").textContent = item.response;
  byId("response").hidden = item.response === "";
  byId("note").textContent = item.note;
  byId("note").hidden = item.note === "";
}
