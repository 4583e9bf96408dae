/**
 * The import page: gathers what is chosen and dropped, sends each file in a request of its own, and starts the import.
 * Without this script the page is a plain form.
 */

const PARALLEL = 3;
const WAITS_MS = [500, 2_000, 6_000]; // before each further try, when the network or the proxy fails
const MAX_FAILURES = 5; // then it is not the files
const MB = 2 ** 20;
// A server that refuses a request before it has read all of it resets the connection: then its answer is lost.
const UNANSWERED =
  "you may have been logged out or the network failed, or the file cannot be read: log in in another tab if need be, then send again";

const card = document.querySelector("[data-upload]");
const form = card.querySelector("form");
const sending = card.querySelector("[data-sending]");

/** Read anew for each request: who logs in again, in another tab, gets another. */
const token = () => /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? form.elements.csrfmiddlewaretoken.value;
const part = (name) => card.querySelector(`[data-${name}]`);
const number = (n) => n.toLocaleString("en-GB");
const count = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;
const megabytes = (nBytes) => `${(nBytes / MB).toLocaleString("en-GB", { maximumFractionDigits: 1 })} MB`;
const total = (files) => files.reduce((sum, { file }) => sum + file.size, 0);
const isTable = ({ path }) => path.toLowerCase().endsWith(".csv");

// ---- Choosing

let kept = []; // beside what is in the form: what was dropped, or is left of an upload that was refused

/** What is to be sent, as {file, path}: nothing twice, and nothing hidden (.DS_Store and its like). */
function chosen() {
  const picked = [...form.querySelectorAll("input[type=file]")].flatMap((input) => [...input.files]);
  const all = [...picked.map((file) => ({ file, path: file.webkitRelativePath || file.name })), ...kept];
  const different = new Map(all.map((each) => [`${each.path}|${each.file.size}|${each.file.lastModified}`, each]));
  return [...different.values()].filter(({ path }) => !/(^|\/)\./.test(path));
}

/** The files of a dropped file or folder, those in its folders included. */
async function filesIn(entry) {
  if (entry instanceof File) return [{ file: entry, path: entry.name }];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.slice(1) }];
  }
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return files;
    for (const each of some) files.push(...(await filesIn(each)));
  }
}

function showChosen() {
  const files = chosen();
  const nTables = files.filter(isTable).length;
  const nOthers = files.length - nTables;
  const words = [nTables && count(nTables, "CSV"), nOthers && count(nOthers, "audio file")].filter(Boolean);
  part("chosen").textContent = files.length ? `${words.join(" and ")}, ${megabytes(total(files))}` : "";
  part("clear").hidden = !files.length;
  part("message").textContent = "";
}

function refuse(message) {
  part("message").textContent = message;
  part("begin").disabled = false;
}

function clear(files = []) {
  kept = files;
  form.reset();
  showChosen();
}

async function drop(event) {
  event.preventDefault();
  if (form.hidden) return;
  // Asked for before the first `await`: after it the drop is over.
  const items = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  try {
    for (const entry of entries) kept.push(...(await filesIn(entry)));
    showChosen();
  } catch (error) {
    refuse(`Not all of that can be read: ${error.message}`);
  }
}

// ---- Sending

/** What stopped a request, in words; `isPassing` when another try may do better. */
class Fault extends Error {
  constructor(message, { isPassing = false } = {}) {
    super(message);
    this.isPassing = isPassing;
  }
}

/** The server's answer to a form. Throws a Fault when there is none that makes sense. */
function post(address, fields, onProgress = () => {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ csrfmiddlewaretoken: token(), ...fields })) body.set(name, value);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded));
    request.addEventListener("error", () => reject(new Fault(UNANSWERED, { isPassing: true })));
    request.addEventListener("load", () => {
      if (request.status < 300 && request.response) resolve(request.response);
      else reject(new Fault(reason(request), { isPassing: [502, 503, 504].includes(request.status) }));
    });
    request.send(body);
  });
}

function reason({ status, response }) {
  if (response?.problem) return response.problem;
  // The login page has come instead of an answer.
  if (status < 300) return "you have been logged out: log in in another tab, then send again";
  if (status === 403) return "you may not send files, or have been logged out: log in in another tab as who began this, then send again";
  return `the server answered with an error (${status})`;
}

/** Why the server does not take the file, or "". Of a file that is too large it is told the size only. */
async function sendOne({ file, path }, address, onProgress) {
  const limit = (isTable({ path }) ? card.dataset.maxTableMb : card.dataset.maxAudioMb) * MB;
  const fields = { path, size: file.size, ...(file.size <= limit && { content: file }) };
  for (const wait of WAITS_MS) {
    try {
      return (await post(address, fields, onProgress)).problem;
    } catch (fault) {
      if (!fault.isPassing) throw fault;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return (await post(address, fields, onProgress)).problem;
}

/** How far it is: to see all the time, to hear at every tenth. */
class Meter {
  constructor(files) {
    this.files = files;
    this.nBytes = total(files) || 1;
    this.sent = new Map(files.map((each) => [each, 0]));
    this.nSent = this.nDone = this.tenths = 0;
    this.show();
  }

  move(each, nBytes) {
    const sent = Math.min(nBytes, each.file.size); // the request is a little longer than its file
    this.nSent += sent - this.sent.get(each);
    this.sent.set(each, sent);
    this.show();
  }

  end(each, { isSent }) {
    this.nDone += isSent;
    this.move(each, isSent ? each.file.size : 0);
  }

  show() {
    const share = this.nSent / this.nBytes;
    card.querySelector("progress").value = share;
    const nFiles = `${number(this.nDone)} of ${count(this.files.length, "file")}`;
    part("share").textContent = `${nFiles}, ${megabytes(this.nSent)} of ${megabytes(this.nBytes)}`;
    if (Math.floor(share * 10) === this.tenths) return;
    this.tenths = Math.floor(share * 10);
    part("announce").textContent = `${this.tenths * 10} %`;
  }
}

function begin() {
  const files = chosen();
  const maxFiles = Number(card.dataset.maxFiles);
  if (!files.length) return refuse("Choose a CSV, audio files, or both.");
  if (files.length > maxFiles) {
    return refuse(`These are ${count(files.length, "file")}; at most ${number(maxFiles)} are taken at once.`);
  }
  part("begin").disabled = true;
  return post(form.action, { one_by_one: "1" }).then(
    (addresses) => {
      sending.action = addresses.finish;
      send(files, addresses.files);
    },
    (fault) => refuse(`The upload cannot begin: ${fault.message}.`),
  );
}

/** Sends the files and then starts the import; or says what stands against it. */
async function send(files, address) {
  form.hidden = true;
  sending.hidden = false;
  for (const name of ["failures", "again", "without"]) part(name).hidden = true;
  part("headline").textContent = `Sending ${count(files.length, "file")}`;
  sending.focus();
  window.addEventListener("beforeunload", stay);
  const meter = new Meter(files);
  // The table first: without it, all audio would become tracks of its own.
  const waiting = [...files.filter(isTable), ...files.filter((each) => !isTable(each))];
  const failures = [];
  let refusal = "";

  async function sendNext() {
    const each = waiting.shift();
    try {
      const problem = await sendOne(each, address, (nBytes) => meter.move(each, nBytes));
      if (problem && isTable(each)) refusal = `Nothing was imported. ${each.path}: ${problem}`;
      meter.end(each, { isSent: true });
    } catch (fault) {
      failures.push({ ...each, problem: fault.message });
      meter.end(each, { isSent: false });
    }
  }

  async function sendAll(isWanted) {
    while (waiting.length && isWanted(waiting[0]) && !refusal && failures.length < MAX_FAILURES) await sendNext();
  }

  await sendAll(isTable);
  if (!failures.length) await Promise.all(Array.from({ length: PARALLEL }, () => sendAll(() => true)));
  window.removeEventListener("beforeunload", stay);
  if (refusal) startOver(refusal, chosen().filter((each) => !isTable(each)));
  else if (failures.length) offerAnotherTry(failures, waiting, address);
  else sending.requestSubmit();
}

/** Of what was chosen all but the CSV stays chosen. */
function startOver(message, others) {
  sending.hidden = true;
  form.hidden = false;
  clear(others);
  refuse(others.length ? `${message} Choose the CSV anew; ${count(others.length, "audio file")} stayed chosen.` : message);
}

function offerAnotherTry(failures, unsent, address) {
  const n = failures.length + unsent.length;
  part("headline").textContent = `${count(n, "file")} could not be sent`;
  part("announce").textContent = part("headline").textContent;
  const rows = failures.map(({ path, problem }) => [path, problem]);
  if (unsent.length) rows.push([count(unsent.length, "other file"), "not tried after that"]);
  part("failures").querySelector("tbody").replaceChildren(...rows.map(tableRow));
  part("failures").hidden = part("again").hidden = false;
  part("without").hidden = failures.some(isTable);
  part("again").onclick = () => send([...failures, ...unsent], address);
  part("again").focus();
}

function tableRow(cells) {
  const row = document.createElement("tr");
  for (const text of cells) row.insertCell().textContent = text;
  return row;
}

function stay(event) {
  event.preventDefault();
}

for (const element of card.querySelectorAll("[data-needs-script]")) element.hidden = false;
form.addEventListener("change", showChosen);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  begin();
});
sending.addEventListener("submit", () => {
  sending.elements.csrfmiddlewaretoken.value = token();
});
part("clear").addEventListener("click", () => clear());
part("cancel").addEventListener("click", () => window.removeEventListener("beforeunload", stay));
// On the whole page: a browser would leave it for a file that is dropped beside the card.
document.addEventListener("drop", drop);
document.addEventListener("dragover", (event) => event.preventDefault());
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, () => card.classList.toggle("over", type === "dragover"));
}
