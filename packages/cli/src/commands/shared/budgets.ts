import { Budget } from "@remote-agent/domain"
import { Duration } from "effect"

/** The flags of a budget; what is absent is not limited. */
export interface BudgetFlags {
  readonly budgetUsd?: number | undefined
  readonly budgetTokens?: number | undefined
  readonly budgetSeconds?: number | undefined
}

/** The budget that flags say; none when they say nothing. */
export const of = ({ budgetSeconds, budgetTokens, budgetUsd }: BudgetFlags): Budget.Budget | undefined =>
  budgetSeconds === undefined && budgetTokens === undefined && budgetUsd === undefined
    ? undefined
    : new Budget.Budget({
        ...(budgetUsd === undefined ? {} : { costUsd: budgetUsd }),
        ...(budgetTokens === undefined ? {} : { tokens: budgetTokens }),
        ...(budgetSeconds === undefined ? {} : { wall: Duration.seconds(budgetSeconds) })
      })
