/** What a first page seldom needs. The shell fetches it when something of it is wanted, and with the first answer in any
 * case, so that the worker keeps it; the single file has it in it. */

import { about } from '../face/about';
import { befriend, friendButton } from '../face/friend';
import { outside } from '../face/outside';
import { Doors } from '../links/doors';
import { fetchNetwork } from '../page/newer';
import { searchInTurn as search } from '../rendezvous/proof';
import { again } from './again';
import { bring } from './media';

export const later = { about, again, befriend, bring, Doors, fetchNetwork, friendButton, outside, search };

export type Later = typeof later;
/** Return it; rejects where it cannot be had. */
export type LoadLater = () => Promise<Later>;
