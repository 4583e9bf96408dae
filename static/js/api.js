/** Sends what is typed on a page of the API, and shows the answer: for whoever tries it out. */

import { post } from "./post.js";

const form = document.querySelector("[data-send]");
const answer = document.querySelector("[data-answer]");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  answer.textContent = await sent(form.querySelector("textarea").value);
  answer.hidden = false;
});

/** @returns {Promise<string>} what came of it, for people */
async function sent(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return `Nothing was sent: this is no JSON. ${error.message}`;
  }
  try {
    const response = await post(form.dataset.send, body);
    const said = await response.text();
    return `${response.status} ${response.statusText}\n${said && JSON.stringify(JSON.parse(said), null, 2)}`;
  } catch (error) {
    return `There was no answer: ${error.message}`;
  }
}
