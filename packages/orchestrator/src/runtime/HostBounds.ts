import { Context, Duration } from "effect"

/**
 * What this machine adds to the limits that are enforced inside a sandbox before it enforces them from outside.
 *
 * **Details**
 *
 * A program can stop what watches over it inside the sandbox. These bounds end it all the same. They are longer than the
 * limits inside, so that a program that obeys never meets them.
 *
 * @category options
 * @since 0.1.0
 */
export interface HostBounds {
  /** Added to the wall timeout and the time that a program has to end after SIGTERM. */
  readonly wall: Duration.Duration
  /** Added to the idle timeout. Longer than the time for which a lost connection is retried. */
  readonly idle: Duration.Duration
  /** How long the sandbox may take to confirm that it has killed a program. */
  readonly stop: Duration.Duration
}

/**
 * The bounds of this process.
 *
 * @category options
 * @since 0.1.0
 */
export const HostBounds = Context.Reference<HostBounds>("@remote-agent/orchestrator/HostBounds", {
  defaultValue: () => ({
    wall: Duration.seconds(30),
    idle: Duration.seconds(150),
    stop: Duration.seconds(15)
  })
})
