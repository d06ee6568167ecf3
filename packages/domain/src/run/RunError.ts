import { Schema } from "effect"

/** There is no run of this id. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", { id: Schema.String }) {
  override get message() {
    return `There is no run ${this.id}. List the runs with \`remote-agent run list\`.`
  }
}

/** The run was cancelled or is completed, so it cannot be changed. */
export class RunOver extends Schema.TaggedError<RunOver>()("RunOver", {
  id: Schema.String,
  status: Schema.String
}) {
  override get message() {
    return `The run ${this.id} is ${this.status}. Start a new one.`
  }
}
