/** Where answers are kept until the server has them: on this device, and what cannot be written there in this tab's memory. */

const DATABASE = "energyapp-outbox";
const ANSWERS = "answers";
const STAY = "Stay on this page until all answers are saved.";

/**
 * @typedef {object} Kept  an answer that is on its way, or was refused
 * @property {object} item
 * @property {string} [why]  it was refused
 */

/** The device's store. Where there is none, as in some private windows, all is kept in memory: see `warning`. */
export async function openStore() {
  const store = new Store();
  try {
    store.open(await openDatabase());
  } catch (error) {
    store.lose(error);
  }
  addEventListener("beforeunload", (event) => store.wouldLose() && event.preventDefault());
  return store;
}

function openDatabase() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(ANSWERS, { keyPath: "seq", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

class Store {
  database = null;
  /** @type {Kept[]} younger than all that is in the database */
  memory = [];
  problem = "";

  open(database) {
    this.database = database;
    database.onclose = () => this.lose(new Error("its data have been deleted"));
  }

  lose(error) {
    this.database = null;
    this.problem = error.message;
  }

  /** What people must know about how safe their answers are, or null. */
  get warning() {
    if (!this.database) return `This browser cannot keep answers over a reload (${this.problem}). ${STAY}`;
    return this.wouldLose() ? `This device could not store your last answers (${this.problem}). ${STAY}` : null;
  }

  wouldLose() {
    return this.memory.some(({ why }) => !why);
  }

  /** Resolves when the answer is on the disk, or cannot be. */
  async add(item) {
    // While one waits in memory all do, or a change of mind would overtake the label that it changes.
    if (this.database && !this.wouldLose()) {
      try {
        await this.write((answers) => answers.add({ item }));
        return;
      } catch (error) {
        this.problem = error.name === "QuotaExceededError" ? "there is no room left" : error.message;
      }
    }
    this.memory.push({ item });
  }

  /** @returns {Promise<Kept[]>} everybody's, the oldest first */
  async all() {
    if (!this.database) return [...this.memory];
    return [...(await this.read((answers) => answers.getAll())), ...this.memory];
  }

  async remove(kept) {
    if (this.memory.includes(kept)) this.memory.splice(this.memory.indexOf(kept), 1);
    else await this.write((answers) => answers.delete(kept.seq));
  }

  /** Writes what has been changed in them: of all, or of none. */
  async replace(changed) {
    const written = changed.filter((kept) => !this.memory.includes(kept));
    if (written.length) await this.write((answers) => written.forEach((kept) => answers.put(kept)));
  }

  read(ask) {
    return this.run("readonly", ask);
  }

  write(change) {
    return this.run("readwrite", change);
  }

  /** One transaction; resolves when it is through, and then survives the loss of power where browsers offer that. */
  run(mode, work) {
    return new Promise((resolve, reject) => {
      const transaction = this.database.transaction(ANSWERS, mode, { durability: "strict" });
      const request = work(transaction.objectStore(ANSWERS));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = () => reject(transaction.error);
    });
  }
}
