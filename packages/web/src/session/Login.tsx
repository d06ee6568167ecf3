/** The login: a token, and how long the browser keeps it. */
import { type FormEvent, useId, useState } from "react"
import { Button } from "../ui/Button.tsx"
import { Mark } from "../ui/icons.tsx"
import { textOf } from "../ui/textOf.ts"
import { openSession } from "./ApiSession.ts"
import { failureOf } from "./Failure.ts"

interface LoginProps {
  /** Whether the server refused the token that was used before. */
  readonly refused: boolean
  readonly onSignIn: (token: string, onDevice: boolean) => void
}

/** Why a token cannot be used; nothing when it can. */
const problemOf = async (token: string): Promise<string | undefined> => {
  const api = openSession(token, () => {})
  try {
    await api.run(({ server }) => server.version())
    return undefined
  } catch (error) {
    const { kind, message } = failureOf(error)
    return kind === "unauthorized"
      ? "The server does not know this token, or it was revoked or expired."
      : message
  } finally {
    api.close()
  }
}

export const Login = ({ onSignIn, refused }: LoginProps) => {
  const [problem, setProblem] = useState(
    refused ? "You were signed out: the token was revoked or has expired." : undefined
  )
  const [checking, setChecking] = useState(false)
  const [field, note, error] = [useId(), useId(), useId()]

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const token = textOf(form, "token")
    if (token === "") return setProblem("Enter a token.")
    setChecking(true)
    const found = await problemOf(token)
    setChecking(false)
    if (found === undefined) return onSignIn(token, form.get("keep") === "on")
    setProblem(found)
  }

  return (
    <main className="login">
      <form className="login-card" onSubmit={(event) => void submit(event)} noValidate>
        <Mark size={44} />
        <h1>Remote Agent</h1>
        <p className="muted" id={note}>
          Sign in with a token of this server. <code>remote-agent serve</code> prints one when it starts.
        </p>
        <label htmlFor={field}>Token</label>
        <input
          id={field}
          name="token"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          autoFocus
          aria-describedby={problem === undefined ? note : `${note} ${error}`}
          aria-invalid={problem !== undefined}
        />
        <p className="login-problem" id={error} role="alert">
          {problem}
        </p>
        <label className="check">
          <input type="checkbox" name="keep" /> Stay signed in on this device
        </label>
        <Button type="submit" look="primary" busy={checking}>
          Sign in
        </Button>
      </form>
    </main>
  )
}
