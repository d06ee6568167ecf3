import { Budget } from "@remote-agent/domain"
import { Duration } from "effect"

/** The values of the budget flags. An absent one is no limit. */
export interface BudgetFlags {
  readonly budgetUsd?: number | undefined
  readonly budgetTokens?: number | undefined
  readonly budgetSeconds?: number | undefined
}

/** The budget of flags, or none when no limit is given. */
export const of = ({ budgetSeconds, budgetTokens, budgetUsd }: BudgetFlags): Budget.Budget | undefined =>
  budgetSeconds === undefined && budgetTokens === undefined && budgetUsd === undefined
    ? undefined
    : new Budget.Budget({
        ...(budgetUsd === undefined ? {} : { costUsd: budgetUsd }),
        ...(budgetTokens === undefined ? {} : { tokens: budgetTokens }),
        ...(budgetSeconds === undefined ? {} : { wall: Duration.seconds(budgetSeconds) })
      })
