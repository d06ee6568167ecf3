/** The exit codes of the scripts for reasons that git has no exit code for. The same list is in scripts/prelude.sh. */
export const exitCodes = {
  gitMissing: 90,
  notARepository: 91,
  folderNotEmpty: 92,
  nonFastForward: 93,
  conflict: 94,
  refNotFound: 95,
  nothingToCommit: 96,
  detachedHead: 97,
  branchExists: 98,
  fileTooLarge: 99,
  submodulesFound: 100,
  lfsFound: 101,
  nestedRepositories: 102,
  conflictMarkers: 103,
  operationInProgress: 104,
  locked: 105,
  refConflict: 106
} as const

const codes: ReadonlySet<number> = new Set(Object.values(exitCodes))

/** Whether an exit code is one of the scripts' own. */
export const isExitCode = (code: number): boolean => codes.has(code)
