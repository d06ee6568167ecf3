import { Argument } from "effect/cli"
import { onOff, repeatable, text } from "../shared/flags.ts"

/** The repository on GitHub. */
export const repo = text(
  "repo",
  "The repository, owner/name (default: GITHUB_REPO_OWNER and GITHUB_REPO_NAME)"
)

/** Labels of a new issue or pull request. */
export const labels = repeatable("label", "A label to add")

/** The base of a pull request. */
export const base = text(
  "base",
  "The branch to merge into (default: the one the agent tracks, or the default branch)"
)

/** What a commit or a push may contain although it is most likely a mistake. */
export const permissions = {
  allowNestedRepositories: onOff(
    "allow-nested-repositories",
    "Allow nested git repositories, whose files are not part of the commit"
  ),
  allowConflictMarkers: onOff("allow-conflict-markers", "Allow unresolved conflict markers"),
  allowInProgress: onOff("allow-in-progress", "Allow a merge, rebase or the like that has stopped half-way")
}

/** The values of {@link permissions}. */
export const permitted = ({
  allowConflictMarkers,
  allowInProgress,
  allowNestedRepositories
}: {
  readonly allowConflictMarkers: boolean
  readonly allowInProgress: boolean
  readonly allowNestedRepositories: boolean
}) => ({ allowConflictMarkers, allowInProgress, allowNestedRepositories })

/** Whether a new pull request is a draft. */
export const draft = onOff("draft", "Open a new pull request as a draft")

/** The id of a webhook, as an argument. */
export const webhookId = Argument.Int("id").pipe(
  Argument.withDescription("The id of the webhook, as in `webhook list`")
)
