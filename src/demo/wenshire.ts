/** The organisations of the made-up place. No real organisation has these codes. */
export const wenshire = {
  icb: { code: 'QWN', name: 'NHS Wenshire Integrated Care Board' },
  council: { code: '999', name: 'Wenshire County Council' },
  charity: { code: 'D9H01', name: 'Harbour Carers Trust' },
  /** Holds third-party budgets and individual service funds, and employs the staff itself. */
  fundHolder: { code: 'D9H02', name: 'Larkfield Independent Living' },
} as const;
