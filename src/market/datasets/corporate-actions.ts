import type { DatasetDefinition } from '../dataset.ts'

export const splits: DatasetDefinition = {
  name: 'splits',
  version: 1,
  description: 'One split of one stock: `split_from` old shares became `split_to` new ones.',
  columns: [
    { name: 'ticker', type: 'string', nullable: false, description: 'Symbol at the time of the split.' },
    {
      name: 'execution_date',
      type: 'date',
      nullable: false,
      description: 'First session at the new price (New York date).',
    },
    { name: 'split_from', type: 'double', nullable: false, unit: 'shares', description: 'Old shares.' },
    { name: 'split_to', type: 'double', nullable: false, unit: 'shares', description: 'New shares.' },
    { name: 'id', type: 'string', nullable: true, description: "Vendor's id of the event." },
  ],
  key: ['ticker', 'execution_date'],
  eventColumn: 'execution_date',
  eventKind: 'date',
  partition: 'none',
  calendar: 'XNYS',
  rules: [
    { kind: 'required', name: 'missing_value', columns: ['execution_date', 'split_from', 'split_to'] },
    { kind: 'positive', name: 'ratio_not_positive', columns: ['split_from', 'split_to'] },
  ],
}

export const dividends: DatasetDefinition = {
  name: 'dividends',
  version: 1,
  description: 'One cash dividend of one stock.',
  columns: [
    { name: 'ticker', type: 'string', nullable: false, description: 'Symbol at the time.' },
    {
      name: 'ex_dividend_date',
      type: 'date',
      nullable: false,
      description: 'First session without the dividend (New York date).',
    },
    { name: 'cash_amount', type: 'double', nullable: false, unit: 'per share', description: 'Amount paid.' },
    { name: 'currency', type: 'string', nullable: true, description: 'Currency of the amount.' },
    { name: 'declaration_date', type: 'date', nullable: true, description: 'When it was announced.' },
    { name: 'record_date', type: 'date', nullable: true, description: 'Holders on this day are paid.' },
    { name: 'pay_date', type: 'date', nullable: true, description: 'When it is paid.' },
    {
      name: 'frequency',
      type: 'int64',
      nullable: true,
      unit: 'per year',
      description: '0 one-time, 1 yearly, 4 quarterly, 12 monthly.',
    },
    {
      name: 'dividend_type',
      type: 'string',
      nullable: false,
      description: 'CD consistent cash, SC special cash, LT / ST capital gain.',
    },
    { name: 'id', type: 'string', nullable: true, description: "Vendor's id of the event." },
  ],
  key: ['ticker', 'ex_dividend_date', 'dividend_type', 'cash_amount'],
  eventColumn: 'ex_dividend_date',
  eventKind: 'date',
  partition: 'none',
  calendar: 'XNYS',
  rules: [
    {
      kind: 'required',
      name: 'missing_value',
      columns: ['ex_dividend_date', 'cash_amount', 'dividend_type'],
    },
    { kind: 'not_negative', name: 'amount_negative', columns: ['cash_amount'] },
  ],
}
