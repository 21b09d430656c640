// One room, asked again every two seconds: index.html?api=URL&room=NAME&name=ME
const given = new URLSearchParams(location.search);
const room = `${given.get("api")}/rooms/${encodeURIComponent(given.get("room") ?? "lobby")}`;
const me = given.get("name") ?? "somebody";
const items = new Map();

const ask = async (path, options) => (await fetch(room + path, options)).json();
const put = (method, path, body) => ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

async function look() {
  const [{ messages }, { members, positive, negative }] = await Promise.all([ask("/messages"), ask(""), put("PUT", `/members/${encodeURIComponent(me)}`, {})]);
  for (const { sent, author, text, mood } of messages) {
    const item = items.get(sent) ?? document.querySelector("#messages").appendChild(document.createElement("li"));
    items.set(sent, item);
    item.textContent = `${author}: ${text}`;
    item.className = mood ?? "";
  }
  document.querySelector("#members").textContent = members.join(", ");
  document.querySelector("#mood").textContent = positive > negative ? "☀" : positive < negative ? "☁" : "";
}

document.querySelector("#say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = document.querySelector("#text");
  await put("POST", "/messages", { author: me, text: input.value });
  input.value = "";
  await look();
});
await look();
setInterval(look, 2000);
