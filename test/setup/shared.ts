/** Every project loads its setup anew, so what they share is kept outside of the modules. */
const all: Map<string, unknown> = ((globalThis as { remoteAgentTests?: Map<string, unknown> })[
  "remoteAgentTests"
] ??= new Map())

/** What is made for the first who asks for it by this name, and given to all others. */
export const shared = <A>(name: string, make: () => A): A => {
  if (!all.has(name)) all.set(name, make())
  return all.get(name) as A
}

/** What was made by this name, once: whoever comes first puts it away. */
export const taken = (name: string): unknown => {
  const made = all.get(name)
  all.delete(name)
  return made
}
