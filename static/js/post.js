/** Speaks to the server in JSON, with the token that every change needs. */

const TIMEOUT_MS = 20_000;

/** Read anew for each request: who logs in again, in another tab, gets another. */
const token = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";

/**
 * A POST of JSON. When the browser has lost its token, a new one is asked for, once.
 * Rejects with a TypeError when the server cannot be reached, and with a TimeoutError when it takes too long.
 * @param {string} path  for instance "/label/claim/"
 * @returns {Promise<Response>} 401 {"state": "log in"}: the login has ended
 */
export async function post(path, body) {
  const response = await send(path, body);
  if (response.status !== 403 || (await stateOf(response.clone())) !== "token") return response;
  await fetch("/token/", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  return send(path, body);
}

function send(path, body) {
  return fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
    keepalive: true, // arrives also when the page is left in this moment
  });
}

/** What a reply says; undefined when it is a page and no JSON. */
async function stateOf(response) {
  try {
    return (await response.json())?.state;
  } catch (error) {
    if (error.name !== "SyntaxError") throw error;
    return undefined;
  }
}
