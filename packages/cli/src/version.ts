/** The version of the binary; a test holds it against the package's manifest. */
export const version = "0.1.0"
