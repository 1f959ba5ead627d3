/** The route of an appeal with the stage where it stands. */
import { label, t } from '../i18n'
import { dictionaries } from '../store'
import type { Appeal, Dictionaries } from '../types'
import { seconds } from './bits'

export function Route({ appeal }: { appeal: Appeal }) {
  const stages = stagesOf(appeal, dictionaries.value)
  const visited = new Set((appeal.times?.stages ?? []).map((one) => one.stage))
  const at = stages.findIndex((one) => one.code === appeal.stage)
  return (
    <ol class="route" aria-label={t('appeal.route')} data-testid="route">
      {stages.map((stage, index) => (
        <li
          key={stage.code}
          class={index < at && visited.has(stage.code) ? 'passed' : ''}
          aria-current={index === at ? 'step' : undefined}
        >
          <span>{stage.name}</span>
          {index === at ? <span class="hidden"> ({t('appeal.current_stage')})</span> : null}
          <small>{spent(appeal, stage.code)}</small>
        </li>
      ))}
    </ol>
  )
}

/** "Rejected" is a way out, not a step on the way: it is shown only where the appeal went there. */
function stagesOf(appeal: Appeal, names: Dictionaries | null): { code: string; name: string }[] {
  const stages = names?.stages ?? []
  const shown = stages.filter((one) => one.phase !== 'rejected' || appeal.phase === 'rejected')
  return shown.some((one) => one.code === appeal.stage)
    ? shown
    : [...shown, { code: appeal.stage, name: label('phase', appeal.phase) }]
}

function spent(appeal: Appeal, code: string): string {
  const visits = (appeal.times?.stages ?? []).filter((one) => one.stage === code && one.s !== null)
  if (visits.length === 0) return ''
  return seconds(visits.reduce((sum, one) => sum + (one.s ?? 0), 0))
}
