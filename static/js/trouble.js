/** Why a track cannot be heard, in words; the browser itself only says that it cannot. */

const ABORTED = 1;
const DECODE = 3;
const UNPLAYABLE = "the file is damaged or of a kind that this browser does not play";

/**
 * @param {MediaError} error
 * @param {string} url
 * @returns {Promise<{reason: string, canRetry: boolean}>}  whether trying again may help
 */
export async function explain(error, url) {
  if (error.code === ABORTED) return { reason: "loading was stopped", canRetry: true };
  if (error.code === DECODE) return { reason: "the file is damaged", canRetry: false };
  // A missing file, a login that has expired and a dead network all look the same to an <audio>: ask the server.
  try {
    const answer = await fetch(url, { headers: { Range: "bytes=0-0" }, cache: "no-store" });
    answer.body?.cancel();
    return answered(answer, error.code === MediaError.MEDIA_ERR_NETWORK);
  } catch {
    return { reason: "the connection was lost", canRetry: true };
  }
}

function answered({ ok, redirected, status }, wasLost) {
  if (redirected) return { reason: "you are logged out. Log in again, also in another tab", canRetry: true };
  if (status === 404 || status === 410) return { reason: "the file is missing", canRetry: false };
  if (status === 403) return { reason: "you may not hear it", canRetry: false };
  if (!ok) return { reason: `the server answered ${status}`, canRetry: true };
  return wasLost ? { reason: "the connection was lost", canRetry: true } : { reason: UNPLAYABLE, canRetry: false };
}
