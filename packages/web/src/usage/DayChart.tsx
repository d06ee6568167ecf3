/** A chart of days. Its figures are also a table, for those who cannot see it. */
import { useEffect, useRef } from "react"
import uPlot from "uplot"
import "uplot/dist/uPlot.min.css"
import { useTheme } from "../ui/Theme.ts"
import type { Group } from "./usageFigures.ts"

interface DayChartProps {
  readonly title: string
  readonly days: ReadonlyArray<Group>
  readonly valueOf: (group: Group) => number
  readonly format: (value: number) => string
}

const height = 200

const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

const optionsOf = (width: number, format: DayChartProps["format"]): uPlot.Options => {
  const [ink, line, bar] = [colour("--ink-3"), colour("--line"), colour("--accent")]
  const font = `12px ${colour("--sans")}`
  const axis = { stroke: ink, font, gap: 8, grid: { stroke: line, width: 1 }, ticks: { show: false } }
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 2, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { setScale: false } },
    scales: {
      x: { time: true, range: (_, min, max) => [min - 43_200, max + 43_200] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] }
    },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 30,
        values: (_, ticks) =>
          ticks.map((at) =>
            new Date(at * 1000).toLocaleDateString("en-GB", {
              day: "numeric",
              month: "short",
              timeZone: "UTC"
            })
          ),
        space: 64,
        incrs: [86_400, 2 * 86_400, 5 * 86_400, 7 * 86_400, 14 * 86_400]
      },
      { ...axis, size: 58, values: (_, ticks) => ticks.map(format) }
    ],
    series: [
      {},
      {
        fill: bar,
        stroke: bar,
        width: 0,
        points: { show: false },
        ...(uPlot.paths.bars === undefined
          ? {}
          : { paths: uPlot.paths.bars({ size: [0.62, 28], radius: 0.18 }) })
      }
    ]
  }
}

export const DayChart = ({ days, format, title, valueOf }: DayChartProps) => {
  const box = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const data: uPlot.AlignedData = [
      days.map(({ key }) => Date.parse(`${key}T00:00:00Z`) / 1000),
      days.map(valueOf)
    ]
    const plot = new uPlot(optionsOf(element.clientWidth, format), data, element)
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      plot.destroy()
    }
  }, [days, format, theme, valueOf])

  return (
    <figure className="chart">
      <figcaption>{title}</figcaption>
      <div ref={box} className="chart-box" aria-hidden="true" />
      <table className="visually-hidden">
        <caption>{title}</caption>
        <tbody>
          {days.map((day) => (
            <tr key={day.key}>
              <th scope="row">{day.key}</th>
              <td>{format(valueOf(day))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  )
}
