/**
 * A tool for the sample agent that converts between currencies at fixed rates. The agent asks each tool whether it
 * accepts the query. The first tool that accepts it answers it.
 */
const rates = { USD: 1, EUR: 1.09, GBP: 1.27, JPY: 0.0067 }

export default {
  name: "exchange_rate",
  /** Returns the arguments in the query, or `undefined` if the query is not for this tool. */
  accepts: (query) => {
    const [, amount, from, to] = /([\d.]+)\s*([a-z]{3})\s+(?:in|to)\s+([a-z]{3})\b/i.exec(query) ?? []
    if (amount === undefined) return undefined
    return { amount: Number(amount), from: from.toUpperCase(), to: to.toUpperCase() }
  },
  run: ({ amount, from, to }) => {
    for (const currency of [from, to]) {
      if (!(currency in rates)) throw new Error(`there is no rate for ${currency}`)
    }
    return `${amount} ${from} are ${((amount * rates[from]) / rates[to]).toFixed(2)} ${to}.`
  }
}
