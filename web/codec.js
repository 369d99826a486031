/** Signs somebody in for the Temporal UI: the codec server's cookie, kept fresh while this page is open. */

const REFRESH_MS = 8 * 60 * 1000;

const form = document.querySelector("form");
const status = document.querySelector("[role=status]");
const guide = document.querySelector("section");

async function post(path, body, token) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method: "POST", headers, body: body && JSON.stringify(body) });
  const told = answer.status === 204 ? { ui: answer.headers.get("Link")?.match(/<(.+)>/)?.[1] } : await answer.json();
  if (!answer.ok) throw new Error(told.detail);
  return told;
}

/** The form gives way to what is left to do, and comes back when the session has ended. */
function show(signedIn) {
  form.hidden = signedIn;
  guide.hidden = !signedIn;
}

async function keep(tokens) {
  const { ui } = await post("/codec/session", undefined, tokens.access_token);
  if (ui) guide.querySelector("a").href = ui;
  guide.querySelector("input").value = `${location.origin}/codec`;
  status.textContent = "Signed in.";
  show(true);
  setTimeout(() => {
    post("/v1/auth/refresh", { refresh_token: tokens.refresh_token }).then(keep).catch(say);
  }, REFRESH_MS);
}

function say(error) {
  show(false);
  status.textContent = error.message;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const filled = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
  form.elements.password.value = "";
  try {
    await keep(await post("/v1/auth/login", filled));
  } catch (error) {
    say(error);
  }
});
