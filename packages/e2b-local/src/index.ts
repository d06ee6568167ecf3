/**
 * An E2B-compatible server over isolated process trees of this machine, alone or as a daemon.
 *
 * @since 0.1.0
 */

/** A server that is found through a file in its data folder. */
export * as Daemon from "./daemon/Daemon.ts"
/** Requests to a running daemon: its status, its presence, its stop. */
export * as DaemonControl from "./daemon/DaemonControl.ts"
/** Failures of the daemon. */
export * as DaemonError from "./daemon/DaemonError.ts"
/** The file that finds the daemon of a data folder. */
export * as DaemonFile from "./daemon/DaemonFile.ts"
/** Finds the daemon of a data folder or starts it. */
export * as DaemonStart from "./daemon/DaemonStart.ts"
/** The server. */
export * as E2bServer from "./server/E2bServer.ts"
/** Failures of the server. */
export * as E2bServerError from "./E2bServerError.ts"
/** The forms of isolation, and which of them work on this host. */
export * as Isolation from "./isolation/Isolation.ts"
