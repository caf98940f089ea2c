"""The style of every page: dark and light, on a phone and on paper."""

STYLE = """\
  :root { color-scheme: light dark; --ink: #1f2328; --soft: #5b636d; --line: #d9dde2; --paper: #fff;
          --one: #2f6fb3; --two: #c96a12; --three: #2e8b57; --bad: #b3261e }
  @media screen and (prefers-color-scheme: dark) {
    :root { --ink: #e4e7eb; --soft: #9aa4b0; --line: #343b44; --paper: #15191e; --one: #6aa9ec; --two: #f0a860;
            --three: #5fc48d; --bad: #ff8a80 }
  }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
         color: var(--ink); background: var(--paper) }
  h1 { font-size: 1.1rem; font-weight: 500; line-height: 1.3; margin: 0 0 .6rem; color: var(--soft);
       overflow-wrap: anywhere }
  .verdict { font-size: 1.35rem; font-weight: 600; line-height: 1.35; margin: 0 0 .6rem }
  p { max-width: 44rem; overflow-wrap: anywhere }
  main { columns: 26rem 2; column-gap: 2rem; margin-top: 1.5rem }
  section, figure { margin: 0 0 2rem; break-inside: avoid; overflow-x: auto }
  .wide { column-span: all; margin-top: 1rem }
  .group { break-inside: auto; overflow: visible }
  .group > div { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
                 gap: 1.5rem 2rem; margin-top: 1rem }
  .group figure { margin: 0 } .group figcaption { border: 0; padding: 0; overflow-wrap: anywhere }
  h2, figcaption { font-size: 1rem; font-weight: 600; margin: 0 0 .4rem; padding-bottom: .2rem;
                   border-bottom: 2px solid var(--line) }
  table { border-collapse: collapse; width: 100% }
  .wide table { width: auto }
  th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  tr > :last-child { padding-right: 0 }
  th { font-weight: 500; color: var(--soft) }
  td { font-variant-numeric: tabular-nums; overflow-wrap: break-word }
  .pairs td, td:first-child { overflow-wrap: anywhere }
  td:first-child { min-width: 6rem }
  .number { text-align: right }
  td.number { white-space: nowrap }
  .marked td { font-weight: 600 } .marked td:last-child { color: var(--bad) }
  @media (max-width: 30rem) { th, td { padding-right: .5rem } table { font-size: .9rem } }
  ul { margin: 0; padding-left: 1.2rem }
  svg { display: block; width: 100%; max-width: 28rem; font-size: 12px; fill: var(--ink) }
  text[text-anchor="start"] { paint-order: stroke; stroke: var(--paper); stroke-width: 3px }
  rect.s0 { fill: var(--one) } rect.s1 { fill: var(--two) } rect.s2 { fill: var(--three) }
  polyline { fill: none; stroke: var(--line) } .zero { stroke: var(--soft) }
  .limit { stroke: var(--bad); stroke-dasharray: 5 3 } .ideal { stroke: var(--soft); stroke-dasharray: 4 3 }
  polyline.s0, polyline.s1, polyline.s2 { stroke-width: 1.5; stroke-linejoin: round }
  polyline.s0 { stroke: var(--one) } polyline.s1 { stroke: var(--two) } polyline.s2 { stroke: var(--three) }
  .note, .legend, .facts { color: var(--soft); font-size: .85rem; margin: .3rem 0 }
  .legend span { margin-right: .8rem; overflow-wrap: anywhere }
  .legend i { display: inline-block; width: .7rem; height: .7rem; margin: 0 .3rem 0 0 }
  .legend .s0 { background: var(--one) } .legend .s1 { background: var(--two) } .legend .s2 { background: var(--three) }
  @media print {
    html { font-size: 11px } body { font-size: 1rem; margin: 0; max-width: none }
    main { columns: 2; column-gap: 1.2rem }
    section, figure { margin-bottom: 1.2rem } svg { max-width: 20rem }
    .group > div { grid-template-columns: 1fr 1fr }
    svg *, .legend i { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  }
"""
