/** One table for all lists: real table marks, and on a narrow screen each row is a small card. */
import type { ComponentChildren } from 'preact'
import { Hint } from './bits'

export interface Column<Row> {
  key: string
  head: string
  hint?: string
  cell: (row: Row) => ComponentChildren
  class?: string
}

interface Props<Row> {
  caption: string
  columns: Column<Row>[]
  rows: readonly Row[]
  rowKey: (row: Row) => string | number
  rowId?: (row: Row) => string
  testId?: (row: Row) => string
  rowClass?: (row: Row) => string
  busy?: boolean
}

// The roles are said aloud because CSS turns rows into cards, and browsers then forget that it is a table.
export function Table<Row>({ caption, columns, rows, rowKey, rowId, testId, rowClass, busy }: Props<Row>) {
  return (
    <table role="table" class="cards" aria-busy={busy ?? false}>
      <caption class="hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.key} role="columnheader" scope="col" class={column.class}>
              {column.head}
              {column.hint ? <Hint name={column.head}>{column.hint}</Hint> : null}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row" id={rowId?.(row)} data-testid={testId?.(row)} class={rowClass?.(row)}>
            {columns.map((column) => (
              <td key={column.key} role="cell" data-head={column.head} class={column.class}>
                {column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
