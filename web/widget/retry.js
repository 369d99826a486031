/** Asking again where the server says later, or says nothing. */

const FIRST_PAUSE_MS = 800;
const LONGEST_PAUSE_MS = 15_000;

/**
 * Repeats a request while its problem is temporary, waiting as long as `Retry-After` says, else longer each time.
 *
 * @param {() => Promise<object>} request must be safe to repeat: the same key or id each time
 * @param {object} options
 * @param {number} [options.tries] give up after so many tries
 * @param {number} [options.unreachedTries] give up after so many tries that reached nobody
 * @param {(problem: object) => void} [options.onProblem] before each wait
 * Throws the last `Problem`.
 */
export async function untilAnswered(request, options = {}) {
  const { tries = Infinity, unreachedTries = Infinity, onProblem = () => {} } = options;
  let unreached = 0;
  for (let failed = 1; ; failed += 1) {
    try {
      return await request();
    } catch (problem) {
      if (problem.status === 0) unreached += 1;
      if (!problem.isTemporary || failed >= tries || unreached >= unreachedTries) throw problem;
      onProblem(problem);
      await pause(problem.retryAfterMs ?? pauseMs(failed));
    }
  }
}

function pauseMs(failed) {
  return Math.min(FIRST_PAUSE_MS * 2 ** (failed - 1), LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}

function pause(ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    globalThis.addEventListener("online", end);
  });
}
