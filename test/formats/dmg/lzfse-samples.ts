/** Streams that Apple's reference encoder made: nothing here makes them. */

/** What they hold: so many lines. */
export function lines(count: number): string {
  return Array.from({ length: count }, (_, index) => `block ${(index * 7) % 64} at ${(index * index) % 4096}\n`).join(
    '',
  );
}

/** 300 lines, as a block of the kind "bvx2". */
export const COMPRESSED = Buffer.from(
  [
    'YnZ4MkgTAACIAbAKAD4CIO7jv7/8PQQwoQAAAD8scACvwOWJIAAIAALusz3OLoKqsASADrhWDjzw4OgBOLjIYc726HNwMnoxDgwA',
    'AAAAAAAAAAsAAAAAgBMAAADgU/g6vo+P5If4ID6HJ+FTeBsAAAAAAAAAAACAtgBACwUoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAgDs7ATjRG6Z6CPZftsOB4vsCUHOaprBx9W7zWqhjgs60/BdAKS84wd/ELg08rQhtumcMkZF20YJ0l5WE3HUt',
    'ersE84+44KgFtVZiZXUJBEJ+4QkITkULZcOinQ79RcBop+XYxt3FGm8rMZvi159o07etvghzkZXM1rOdCXgGKqs+NZoOKk6fgqgW',
    'NTNVrcykSZkqxZ8PJR/+AT+sWtpOnEcDJvbZLzwp0AcAAAAAAAAAAAAA0AowKtUSeTJuUYJ4GtL3EtqvOxMj0fZ2YFU0YWiKTfYE',
    'FfFtZhFrk4LcnHumq/92yUXh2i9h+LQOGCOulfwccSRq1C8ewTpu36OcmNFGztk2eSy522zhKh836wybhJKxl2ybNLQ7lPrXjSXe',
    'Va8TlGrjyclB7fRmQ8t+VxmbNTgJ2oqK9e8fxMgvASkA+veDlowHKemur++A6gHl6GLm3d5tDddGseMoRrQpXssYmoWiBNpPllxv',
    'B4pAvj/lXDLjGuNrxLg/K+U3J7s3Ojb8fAP/Do9ijXg55ehL0WQbrrw2XY44CFysCykOjri3Ck284+xQttdfZgTRcYrs8pdSfA5t',
    'hA0V1zYpSx9pqpLh5ird2dkSHkVVAvL87FS0iv4eYv7aiswhxfibWQYFX1p1FPh7ZJTF2bVHWTBsuhRWRWV3+s/GxPYjtSbGLXd1',
    'LY3l2XgJiey+LIjQrYCFccmCBTqLYz0TdDfuU0rOsTd1c8qNWuvEeRlN2S89pUwrBiWOFXbKDipBKFy5FShoM80n/mr99MYaGAAU',
    '0qlm0E9fYhLwokQJMDZQ7P3uKAoiVapKFnNSnvtUAFVrj7Y1cT/khLYUMVeUbzqUJJAWoB/hbzLNE4wKSXFLyvupmMy1i07UjIaT',
    '+zJ7bf5f0mh9T08Qv7Ua005AGNTXuv/9hbiWnwxutL4TPnlzMvMwKIdB+7KoJcQCpQSr5yW2s9clps1WLRY4JfxVlZJFVmXbfjLU',
    'wqT52ESPtCRCTBP38xLloISGQnkISY6JgEJEEQ34QwkHQosXSsgMCsUgSpwArPcd9I+AkCd+QRnYuAwSd05RBauH7wOuZ9MxmgRk',
    'HMnJZpI8ZL9JFBvWkzArVyaRq3S8nFU602KSRTJnkhbtgoTQSeXFrfKpqD5WBH5PPClmLDUCqbRZYICuMMgqFkpd5T7VVajLBjpp',
    'va49FpY+4WRDpdwuTQg6oAGSBCrYnhiV9GhH5be9V0nflN5toloifWH3goqkoo8JbZS0YyXZRqlsBns3YIWi0RPhHPYEEwKahhLw',
    'ZYVkO4r7ca6I2HYdYlREgywW/AeZPh7u2+iInM3xdOfeUBh7lbcv5vvXWtWCM4UVL51CIY+qTHASXYjKZByEXggdnn5UE8hX/zqr',
    'c8FguHU7vN0qBV43JAPpeEPftlH3907BHlKxApVwAasfKUN6NLLmEH3Y1dgcd6S0mAPDfPB7zkYSSQXQixbgzah1n0eppOtYpUZu',
    'UASSIttOpUm+oBWqe6Z5JJZ5PtSYOpwis8ydYEnsxqqhmJgBjpkhI04ZZJYyf7dFZwZxmo3yMT/eQ994H30dt3PNwzbM/juU7RED',
    'Ysrk7t9KRPT2pKzDfWIbMSgmI49y3dcmkiJesYK13BybeljX3vsgmvUMJzRxVIN7HvHA/pB9AIVBPI7ogPnEgdkQC2J2eCQ=',
  ].join(''),
  'base64',
);

/** 40 lines, as a block of the kind "bvxn". */
export const LZVN = Buffer.from(
  [
    'YnZ4bnQCAAAOAQAA7WJsb2NrIDAgYXQgMAoYDU43ZjGIDjE0ZjSOMjFuOVAqOGAPNo4zNZ4yNfGONDKeMzbyTjloPDSONTZoWTaO',
    'NjNodjgQHZiSMTDyUB4xmB8xMvJQsDKYlzE08xizaF02ULUzmHwxOfMQt2ibMvIQuZggMjXyWLo1aEA4WLs2aGAyEB+ZFDM281Yy',
    'OJ8Y22ifNPEQv5g/NDjyUL8zmF81MvJQvzSYnzU38xC/aJ828VC/NWggNvFQvzZoQDfyEA8wX1AfMWh/OPFQ3jFonznxUL8ybjnx',
    'VjOY3zEw85gRMzkxAFmANGkhMfIhgTCjWYI2aWMy8RghaYMz8WmjMTCmGaTkNTIxCgYAAAAAAAAAYnZ4JA==',
  ].join(''),
  'base64',
);

/** "abc", as a block of the kind "bvx-". */
export const PLAIN = Buffer.from(['YnZ4LQMAAABhYmNidngk'].join(''), 'base64');
