/** What is around every view: the navigation, and whether the page is up to date. */
import type { ReactNode } from "react"
import { Link, useLocation } from "wouter"
import { useConnection, useSession } from "../session/Session.tsx"
import { Button } from "../ui/Button.tsx"
import { duration } from "../ui/text/format.ts"
import { Icon, type IconName, Mark } from "../ui/icons.tsx"
import { applyTheme, type Theme, themes, useTheme } from "../ui/Theme.ts"
import { useNow } from "../ui/useNow.ts"

const places: ReadonlyArray<{ readonly href: string; readonly name: string; readonly icon: IconName }> = [
  { href: "/", name: "Fleet", icon: "fleet" },
  { href: "/pools", name: "Pools", icon: "pools" },
  { href: "/usage", name: "Usage", icon: "usage" },
  { href: "/leftovers", name: "Leftovers", icon: "leftovers" }
]

const Navigation = () => {
  const [location] = useLocation()
  const isCurrent = (href: string) =>
    href === "/" ? location === "/" || location.startsWith("/agents") : location.startsWith(href)
  return (
    <nav aria-label="Views" className="nav">
      {places.map(({ href, icon, name }) => (
        <Link key={href} href={href} className="nav-link" aria-current={isCurrent(href) ? "page" : undefined}>
          <Icon name={icon} />
          <span>{name}</span>
        </Link>
      ))}
    </nav>
  )
}

const themeIcons: Readonly<Record<Theme, IconName>> = { auto: "auto", light: "sun", dark: "moon" }
const themeNames: Readonly<Record<Theme, string>> = {
  auto: "Theme: as the system",
  light: "Theme: light",
  dark: "Theme: dark"
}

const ThemeButton = () => {
  const theme = useTheme()
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? "auto"
  return (
    <Button
      look="quiet"
      icon={themeIcons[theme]}
      label={themeNames[theme]}
      onClick={() => applyTheme(next)}
    />
  )
}

/** Says when the page is out of date. It says nothing while the server answers. */
const Staleness = () => {
  const connection = useConnection()
  const now = useNow(1000)
  return (
    <div role="status" className="staleness">
      {connection._tag === "Stale" ? (
        <p className="stale">
          <Icon name="warning" size={16} />
          <span>
            <strong>The server does not answer.</strong> This page shows how things were{" "}
            {duration(now - connection.since)} ago. It reconnects by itself.
          </span>
        </p>
      ) : null}
    </div>
  )
}

const ConnectionMark = () => {
  const { _tag } = useConnection()
  return (
    <span className={`link-state link-${_tag.toLowerCase()}`}>
      <span className="state-dot" aria-hidden="true" />
      {_tag === "Live" ? "Live" : _tag === "Stale" ? "Out of date" : "Connecting"}
    </span>
  )
}

export const Shell = ({ children }: { readonly children: ReactNode }) => {
  const { signOut } = useSession()
  const stale = useConnection()._tag === "Stale"
  return (
    <div className="shell">
      <a href="#main" className="skip">
        Skip to the content
      </a>
      <div className="side">
        <Link href="/" className="brand">
          <Mark />
          <span>Remote Agent</span>
        </Link>
        <Navigation />
        <div className="side-foot">
          <ConnectionMark />
          <span className="side-buttons">
            <ThemeButton />
            <Button look="quiet" icon="out" label="Sign out" onClick={signOut} />
          </span>
        </div>
      </div>
      <main id="main" className={stale ? "main main-stale" : "main"} tabIndex={-1}>
        <Staleness />
        {children}
      </main>
    </div>
  )
}
