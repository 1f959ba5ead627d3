/** The route of an appeal with the stage where it stands. */
import { t } from '../i18n'
import { dictionaries } from '../store'
import type { Appeal, Dictionaries } from '../types'
import { seconds } from './bits'

interface Step {
  code: string
  name: string
}

export function Route({ appeal }: { appeal: Appeal }) {
  const steps = stepsOf(appeal, dictionaries.value)
  const at = steps.findIndex((step) => step.name === appeal.stage)
  return (
    <ol class="route" aria-label={t('appeal.route')} data-testid="route">
      {steps.map((step, index) => (
        <li
          key={step.code}
          class={index < at && visits(appeal, step).length > 0 ? 'passed' : ''}
          aria-current={index === at ? 'step' : undefined}
        >
          <span>{step.name}</span>
          {index === at ? <span class="hidden"> ({t('appeal.current_stage')})</span> : null}
          <small>{spent(appeal, step)}</small>
        </li>
      ))}
    </ol>
  )
}

/** "Rejected" is a way out, not a step on the way: it is shown only where the appeal went there. */
function stepsOf(appeal: Appeal, names: Dictionaries | null): Step[] {
  const known: Step[] = (names?.stages ?? []).filter((one) => one.phase !== 'rejected' || appeal.phase === 'rejected')
  if (known.some((step) => step.name === appeal.stage)) return known
  return [...known, { code: appeal.phase, name: appeal.stage }]
}

function visits(appeal: Appeal, step: Step) {
  return (appeal.times?.stages ?? []).filter((one) => step.name === one.stage)
}

function spent(appeal: Appeal, step: Step): string {
  const over = visits(appeal, step).filter((one) => one.s !== null)
  return over.length === 0 ? '' : seconds(over.reduce((sum, one) => sum + (one.s ?? 0), 0))
}
