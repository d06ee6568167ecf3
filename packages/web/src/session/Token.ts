/** The token of the session. It is kept in the browser's storage, and is never part of an address. */

const name = "remote-agent-token"

/** Reads an item. A browser that allows no storage has none. */
const read = (storage: () => Storage): string | undefined => {
  try {
    return storage().getItem(name) ?? undefined
  } catch {
    return undefined
  }
}

const attempt = (work: () => void): void => {
  try {
    work()
  } catch {
    // Without storage the token lives as long as the page.
  }
}

/** The token of this tab, or of this device. */
export const savedToken = (): string | undefined => read(() => sessionStorage) ?? read(() => localStorage)

/** Keeps the token for this tab, or on this device until it is signed out. */
export const saveToken = (token: string, onDevice: boolean): void =>
  attempt(() => (onDevice ? localStorage : sessionStorage).setItem(name, token))

/** Forgets the token, wherever it is kept. */
export const forgetToken = (): void => {
  attempt(() => sessionStorage.removeItem(name))
  attempt(() => localStorage.removeItem(name))
}
