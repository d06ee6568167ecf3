/** The icons of the page, drawn for it. They are decoration: their meaning is always also in words. */

const paths = {
  fleet: "M4 6h16M4 12h16M4 18h10",
  pools: "M12 3l8.5 4.6L12 12.2 3.5 7.6 12 3zM3.5 12l8.5 4.6 8.5-4.6M3.5 16.4L12 21l8.5-4.6",
  usage: "M5 20V11M12 20V4M19 20v-6",
  leftovers: "M4 7h16M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.2 11v5.5M13.8 11v5.5",
  folder: "M3.5 6.5h6l2 2.5h9v9.5h-17z",
  file: "M6 3.5h8l4 4v13H6zM14 3.5v4h4",
  search: "M10.8 17.6a6.8 6.8 0 1 0 0-13.6 6.8 6.8 0 0 0 0 13.6zM20 20l-4.4-4.4",
  plus: "M12 5v14M5 12h14",
  back: "M14.5 5.5L8 12l6.5 6.5",
  send: "M12 19V5M5.5 11.5L12 5l6.5 6.5",
  stop: "M7 7h10v10H7z",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  resume: "M7.5 5l11 7-11 7V5z",
  replace:
    "M4.5 12a7.5 7.5 0 0 1 13-5.1L20 9.3M20 4.5v4.8h-4.8M19.5 12a7.5 7.5 0 0 1-13 5.1L4 14.7M4 19.5v-4.8h4.8",
  terminate: "M12 3.5v8M6.6 6.8a7.6 7.6 0 1 0 10.8 0",
  down: "M6 9.5l6 6 6-6",
  right: "M9.5 6l6 6-6 6",
  check: "M5 12.5l4.6 4.6L19 7.5",
  cross: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  warning: "M12 4l9 15.5H3L12 4zM12 10v4.2M12 17v.2",
  sun: "M12 16.2a4.2 4.2 0 1 0 0-8.4 4.2 4.2 0 0 0 0 8.4zM12 2.8v2M12 19.2v2M2.8 12h2M19.2 12h2M5.5 5.5l1.4 1.4M17.1 17.1l1.4 1.4M5.5 18.5l1.4-1.4M17.1 6.9l1.4-1.4",
  moon: "M20 14.2A8.2 8.2 0 0 1 9.8 4a8.2 8.2 0 1 0 10.2 10.2z",
  auto: "M12 20.2a8.2 8.2 0 1 0 0-16.4 8.2 8.2 0 0 0 0 16.4zM12 3.8v16.4M12 7.5l6.8 1M12 12h8M12 16.5l6.8-1",
  out: "M14 4.5H6.5v15H14M10.5 12H21M17.5 8.5L21 12l-3.5 3.5",
  tool: "M14.7 6.3a4.2 4.2 0 0 1 5.3 5.3l-8.8 8.8a2 2 0 0 1-2.9 0l-4.7-4.7a2 2 0 0 1 0-2.9M14.7 6.3l-3-3M9 9L4.5 4.5",
  thought:
    "M9.5 18.5h5M10 21.2h4M12 2.8a6.4 6.4 0 0 0-3.9 11.5c.8.6 1.2 1.5 1.2 2.4h5.4c0-.9.4-1.8 1.2-2.4A6.4 6.4 0 0 0 12 2.8z"
} as const

export type IconName = keyof typeof paths

export const Icon = ({ name, size = 18 }: { readonly name: IconName; readonly size?: number }) => (
  <svg
    className="icon"
    width={size}
    height={size}
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.7"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d={paths[name]} />
  </svg>
)

/** The mark of the product. */
export const Mark = ({ size = 28 }: { readonly size?: number }) => (
  <svg className="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="9" className="mark-ground" />
    <circle
      cx="16"
      cy="16"
      r="8.2"
      className="mark-ring"
      fill="none"
      strokeWidth="2.2"
      strokeDasharray="38 13.6"
      strokeLinecap="round"
      transform="rotate(-62 16 16)"
    />
    <circle cx="16" cy="16" r="3.4" className="mark-core" />
  </svg>
)
