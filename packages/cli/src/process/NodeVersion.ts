/** The oldest Node.js that will do, as the manifests of the packages say. */
export const oldest = "22.19.0"

const partsOf = (version: string) => version.split(".").map(Number)

/** What is wrong with a version of Node.js, for people; nothing when it will do. */
export const problem = (version: string): string | undefined => {
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [partsOf(version), partsOf(oldest)]
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
    ? undefined
    : `Node.js ${version} is too old.\n  Install Node.js ${oldest} or later.`
}
