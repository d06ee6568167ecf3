/** The entry of the page. */
import "./styles/base.css"
import "./styles/controls.css"
import "./styles/shell.css"
import "./styles/fleet.css"
import "./styles/agent.css"
import "./styles/figures.css"
import { StrictMode } from "react"
import { createRoot } from "react-dom/client"
import { applyTheme } from "../ui/Theme.ts"
import { App } from "./App.tsx"

applyTheme()

const page = document.querySelector("#page")
if (page !== null) {
  createRoot(page).render(
    <StrictMode>
      <App />
    </StrictMode>
  )
}
