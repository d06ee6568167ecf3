/** Launches an agent. */
import { Agent } from "@remote-agent/domain"
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query"
import { Duration, Schema } from "effect"
import { type FormEvent, useRef } from "react"
import { useLocation } from "wouter"
import { messageOf } from "../../session/Failure.ts"
import { useSession } from "../../session/Session.tsx"
import { Button } from "../../ui/Button.tsx"
import { FormDialog } from "../../ui/Dialogs.tsx"
import { Field } from "../../ui/Field.tsx"
import { textOf } from "../../ui/textOf.ts"
import { readLabels, readVariables } from "./launchText.ts"

/** The profiles of the server; those that lack a setting are marked. */
const useProfiles = () => {
  const { api } = useSession()
  return useQuery({
    queryKey: ["profiles"],
    queryFn: ({ signal }) => api.run(({ server }) => server.profiles(), signal)
  })
}

const specOf = (form: FormData) => {
  const [name, profile, repository] = [
    textOf(form, "name"),
    textOf(form, "profile"),
    textOf(form, "repository")
  ]
  const hours = Number(textOf(form, "ttl"))
  const env = readVariables(textOf(form, "variables"))
  return {
    ...(name === "" ? {} : { name: Schema.decodeSync(Agent.AgentName)(name) }),
    ...(profile === "" ? {} : { profile }),
    ...(repository === "" ? {} : { repository: { url: repository } }),
    ...(hours > 0 ? { ttl: Duration.hours(hours) } : {}),
    ...(Object.keys(env).length === 0 ? {} : { env }),
    persistent: form.get("persistent") === "on",
    labels: readLabels(textOf(form, "labels"))
  }
}

const LaunchForm = ({ onClose }: { readonly onClose: () => void }) => {
  const { api } = useSession()
  const client = useQueryClient()
  const [, navigate] = useLocation()
  const profiles = useProfiles()
  // A launch that is tried again after its answer was lost is the same launch.
  const key = useRef(crypto.randomUUID())
  const launch = useMutation({
    mutationFn: (form: FormData) =>
      api.run(({ agents }) =>
        agents.launch({ headers: { "idempotency-key": key.current }, payload: specOf(form) })
      ),
    onSuccess: ({ body }) => {
      void client.invalidateQueries({ queryKey: ["agents"] })
      onClose()
      navigate(`/agents/${body.id}`)
    }
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    launch.mutate(new FormData(event.currentTarget))
  }
  return (
    <form className="form" onSubmit={submit}>
      <div className="form-pair">
        <Field label="Name" hint="A name is made up when empty.">
          <input name="name" pattern="[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}" maxLength={64} autoComplete="off" />
        </Field>
        <Field key={profiles.data === undefined ? "none" : "some"} label="Profile" hint="The kind of agent.">
          <select name="profile" defaultValue="sample">
            {(profiles.data ?? []).map(({ name, ready }) => (
              <option key={name} value={name}>
                {ready ? name : `${name} (lacks a setting)`}
              </option>
            ))}
          </select>
        </Field>
      </div>
      <Field label="Labels" hint="To find it by: team=research tier=gold">
        <input name="labels" autoComplete="off" />
      </Field>
      <Field label="Repository" hint="owner/name, or an address without credentials. Optional.">
        <input name="repository" autoComplete="off" />
      </Field>
      <Field
        label="Variables"
        hint="NAME=value, one a line. Values are secrets: they are shown nowhere again."
      >
        <textarea name="variables" rows={2} autoComplete="off" spellCheck={false} />
      </Field>
      <div className="form-pair">
        <Field label="Time to live" hint="Hours. The server's default when empty.">
          <input name="ttl" type="number" min="0.1" step="0.1" inputMode="decimal" />
        </Field>
        <label className="check check-field">
          <input type="checkbox" name="persistent" /> Pause it, rather than terminate it, when the time is up
        </label>
      </div>
      {launch.error === null ? null : (
        <p className="problem" role="alert">
          {messageOf(launch.error)}
        </p>
      )}
      <div className="dialog-buttons">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" busy={launch.isPending}>
          {launch.isPending ? "Launching…" : "Launch"}
        </Button>
      </div>
    </form>
  )
}

export const LaunchDialog = ({ onClose, open }: { readonly open: boolean; readonly onClose: () => void }) => (
  <FormDialog
    open={open}
    title="Launch an agent"
    description="It gets a sandbox of its own, which lives until it is terminated or its time is up."
    onClose={onClose}
  >
    <LaunchForm onClose={onClose} />
  </FormDialog>
)
