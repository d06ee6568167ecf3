/** The oldest supported version of Node.js, as in the manifests of the packages. */
export const oldest = "22.19.0"

const partsOf = (version: string) => version.split(".").map(Number)

/** Why a version of Node.js is not supported, for people; undefined when it is supported. */
export const problem = (version: string): string | undefined => {
  const [[major = 0, minor = 0], [wantedMajor = 0, wantedMinor = 0]] = [partsOf(version), partsOf(oldest)]
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
    ? undefined
    : `Node.js ${version} is too old.\n  Install Node.js ${oldest} or later.`
}
