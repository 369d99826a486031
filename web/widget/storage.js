/**
 * What a tab remembers across a refresh: ids and whether the panel is open. Never words of a conversation, which would
 * stay behind on a shared computer. A browser that forbids storage only forgets.
 */

const PREFIX = "helios-chat:";

export const remembered = {
  get(name) {
    return attempt(() => sessionStorage.getItem(PREFIX + name)) ?? null;
  },
  set(name, value) {
    attempt(() => sessionStorage.setItem(PREFIX + name, value));
  },
  forget(name) {
    attempt(() => sessionStorage.removeItem(PREFIX + name));
  },
};

function attempt(action) {
  try {
    return action();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
