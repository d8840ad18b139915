"""The French texts of the causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distd.domain.diagnosis.causes import CauseKind, CauseText

if TYPE_CHECKING:
    from collections.abc import Mapping

_K, _T = CauseKind, CauseText
_CHECK: Final = (
    "Sur cet ordinateur, à côté du cacert.pem de l'agent : `openssl s_client -connect {server} -CAfile cacert.pem "
    "-verify_return_error </dev/null` (le port est-il ouvert, le certificat valide ?), puis "
    "`curl --cacert cacert.pem -o /dev/null -f {info_url}` (le nom est-il le bon ?)."
)
_COMPARE: Final = " Comparez son cacert.pem avec celui du serveur : un ancien est refusé."

TEXTS: Final[Mapping[CauseKind, CauseText]] = {
    _K.UNKNOWN_COMPUTER: _T(
        "Aucun agent n'a jamais pris contact sous le nom {device_id}.",
        "Sur cet ordinateur : l'agent est-il installé et lancé, `server` vaut-il http://{http}/ocsinventory dans sa "
        "configuration, `curl -i http://{http}/healthz` répond-il ? Le DEVICEID change quand un ordinateur est "
        "réinstallé : cherchez son nom avec `distd computer list NOM`.",
        "jamais en contact",
    ),
    _K.TOO_MANY_COMPUTERS: _T(
        "Son contact du {refused_at_s} depuis {address} a été refusé : plus aucun ordinateur n'est accepté.",
        "Supprimez des ordinateurs disparus, ou augmentez agents.max_computers.",
        "refusé(s), car plus aucun ordinateur n'est accepté",
    ),
    _K.TOO_MANY_NEW: _T(
        "Son contact du {refused_at_s} depuis {address} a été refusé : trop de nouveaux ordinateurs en venaient.",
        "Il sera accepté à un contact suivant ; agents.new_per_address et agents.new_per_network sont les limites.",
        "refusé(s), car trop de nouveaux en venaient",
    ),
    _K.WAITING_ROOM: _T(
        "Il est dans la salle d'attente : ses contacts sont acceptés, mais il ne reçoit aucun paquet.",
        "`distd computer admit {device_id}` l'en fait sortir.",
        "dans la salle d'attente",
    ),
    _K.WRONG_NETWORK: _T(
        "Son contact du {refused_at_s} a été refusé : il venait de {address}, et l'ordinateur est lié à {networks}.",
        "Si l'ordinateur a déménagé : `distd computer set {device_id} networks=RÉSEAU`, ou networks= pour tous.",
        "refusé(s), car venant d'un autre réseau",
    ),
    _K.NO_LOGIN: _T(
        "Son contact du {refused_at_s} depuis {address} a été refusé : son agent ne s'est pas identifié.",
        "Mettez user, password et realm dans la configuration de l'agent (agents.login_networks, agents.login_tags).",
        "refusé(s) sans identification",
    ),
    _K.NO_KEY: _T(
        "Son contact du {refused_at_s} depuis {address} a été refusé : il n'avait pas la clé de cet ordinateur.",
        "Si l'agent de distd a perdu sa clé : `distd computer revoke {device_id}`, puis il s'inscrit de nouveau.",
        "refusé(s) sans la clé",
    ),
    _K.NOTHING_ASSIGNED: _T(
        "Il n'a plus de paquet à déployer : aucun ne lui est affecté, ou tous ont leur résultat.",
        "`distd computer show {device_id}` les montre, `distd assign PAQUET --computer {device_id}` en affecte.",
        "sans affectation en cours",
    ),
    _K.NO_CONTACT_SINCE: _T(
        "Il n'a pris aucun contact depuis l'affectation du paquet ({assigned_at_s}) ; le dernier date du "
        "{last_contact_at_s}. Le prochain est attendu le {expected_at_s}.",
        "Attendez, ou lancez l'agent à la main sur cet ordinateur.",
        "sans contact depuis l'affectation",
    ),
    _K.CONTACT_OVERDUE: _T(
        "Il est silencieux depuis le {last_contact_at_s}, alors qu'un contact était attendu le {expected_at_s}.",
        "L'ordinateur est-il allumé, l'agent est-il lancé, `curl -i http://{http}/healthz` y répond-il ?",
        "silencieux depuis trop longtemps",
    ),
    _K.UNKNOWN_PACKAGE: _T(
        "Il n'y a pas de paquet {asked_id}.", "`distd package list` les montre tous.", "sans paquet"
    ),
    _K.NOT_ASSIGNED: _T(
        "Le paquet {asked_id} ne lui est pas affecté.",
        "`distd assign {asked_id} --computer {device_id}`.",
        "sans affectation de ce paquet",
    ),
    _K.WAVE_NOT_OPEN: _T(
        "Il est dans la vague {wave} du déploiement par vagues {rollout}, qui n'est pas encore ouverte (ouvertes : "
        "{opened}).",
        "`distd rollout show '{rollout}'` dit où en est la vague précédente ; `distd rollout open '{rollout}'` ouvre "
        "la suivante tout de suite.",
        "dans une vague qui n'est pas ouverte",
    ),
    _K.ROLLOUT_RESTS: _T(
        "Il est dans la vague {wave} du déploiement par vagues {rollout}, qui n'avance pas maintenant : son état est "
        "{phase}.",
        "`distd rollout show '{rollout}'` dit pourquoi.",
        "dans un déploiement par vagues qui n'avance pas",
    ),
    _K.ROLLOUT_NEXT: _T(
        "Il est dans la vague {wave} du déploiement par vagues {rollout}, qui est ouverte : il aura le paquet dès que "
        "les horaires et les limites du déploiement le permettent.",
        "Attendez ; `distd rollout show '{rollout}'` dit combien d'ordinateurs l'ont.",
        "dont le tour vient dans un déploiement par vagues",
    ),
    _K.ROLLOUT_PASSED_OVER: _T(
        "Il est dans la vague {wave} du déploiement par vagues {rollout}, qui l'a laissé de côté : il ne pouvait pas "
        "prendre le paquet.",
        "`distd assign {asked_id} --computer {device_id} --dry-run` dit pourquoi.",
        "laissés de côté par un déploiement par vagues",
    ),
    _K.DELETED: _T(
        "Le paquet {asked_id} est supprimé.", "Construisez-le de nouveau, et affectez celui-là.", "au paquet supprimé"
    ),
    _K.WITHDRAWN: _T(
        "Le paquet est retiré : ses fichiers n'existent plus, et aucun agent n'en est plus notifié.",
        "Affectez un autre paquet à sa place.",
        "au paquet retiré",
    ),
    _K.SUPERSEDED: _T(
        "Le paquet est remplacé par {superseded_by}, et n'est plus actif.",
        "`distd why {device_id} {superseded_by}` dit où en est celui-là.",
        "au paquet remplacé",
    ),
    _K.NOT_ACTIVE: _T(
        "Le paquet n'est pas actif : aucun agent n'en est notifié.",
        "`distd package activate {asked_id}`.",
        "en attente de l'activation du paquet",
    ),
    _K.PLANNED: _T(
        "Le paquet n'est pas encore actif : son activation est prévue, pas avant le {planned_at_s}.",
        "`distd package show {asked_id}` dit ce qu'elle attend ; `distd package activate {asked_id}` l'avance.",
        "en attente de l'activation prévue",
    ),
    _K.INSTALLED: _T(
        "Le paquet est déjà dans l'historique de l'agent : il se terminera par un succès au prochain contact, vers le "
        "{expected_at_s}, sans être exécuté de nouveau.",
        "Pour l'exécuter de nouveau : `distd assign {asked_id} --computer {device_id} --force`.",
        "au paquet déjà dans l'historique",
    ),
    _K.CLAIMED: _T(
        "L'agent a le paquet dans son historique, mais ce serveur ne l'a jamais livré ; il n'est donc pas annoncé.",
        "`distd accept {asked_id} --computer {device_id}` le prend pour un succès ; `distd assign {asked_id} "
        "--computer {device_id} --force` le fait exécuter.",
        "au paquet dans l'historique, non prouvé",
    ),
    _K.TOO_LATE: _T(
        "Il devait commencer avant le {not_after_s}, et l'agent n'a pas été notifié d'ici là : il se termine par "
        "ERR_EXPIRED.",
        "Affectez-le de nouveau avec un --not-after plus tardif.",
        "hors délai",
    ),
    _K.TOO_EARLY: _T(
        "Il ne doit pas commencer avant le {not_before_s}.",
        "Attendez, ou affectez-le de nouveau sans --not-before.",
        "avant l'heure de début",
    ),
    _K.WAITS_FOR_PACKAGE: _T(
        "Il attend le succès du paquet {after}, qui est {after_state} sur cet ordinateur.",
        "`distd why {device_id} {after}` dit pourquoi celui-là n'est pas déployé.",
        "en attente d'un autre paquet",
    ),
    _K.WAITS_FOREVER: _T(
        "Il attend le succès du paquet {after}, qui n'est pas affecté à cet ordinateur.",
        "`distd assign {after} --computer {device_id}`, ou affectez {asked_id} de nouveau sans --after.",
        "en attente d'un paquet non affecté",
    ),
    _K.SWITCHED_OFF: _T(
        "Les téléchargements sont désactivés par {switched_off_by} : les agents ne commencent rien de nouveau.",
        "Remettez download.on = true.",
        "aux téléchargements désactivés",
    ),
    _K.BUSY_CHILD: _T(
        "L'agent Unix est encore occupé par {others} : les nouveaux paquets attendent leur fin, ou il se bloquerait.",
        "`distd why {device_id} {first_other}` dit où en est celui-là.",
        "dont l'agent est occupé par d'autres paquets",
    ),
    _K.PRIORITY_ZERO: _T(
        "Un paquet de priorité 0 est déployé seul : celui-ci et {others} s'attendent dans l'ordre de leurs priorités.",
        "Attendez ; ne donnez la priorité 0 qu'à ce qui doit être seul.",
        "en attente, car les paquets de priorité 0 sont déployés seuls",
    ),
    _K.UNKNOWN_HISTORY: _T(
        "Son premier inventaire manque, son historique n'est donc pas connu : un seul paquet à la fois est annoncé.",
        "Attendez l'inventaire (demandé à chaque contact), ou lancez l'agent à la main.",
        "dont le premier inventaire manque",
    ),
    _K.LISTED_NEXT: _T(
        "Rien ne le retient : son agent sera notifié à son prochain contact, attendu le {expected_at_s}.",
        "Attendez, ou lancez l'agent à la main sur cet ordinateur.",
        "à notifier au prochain contact",
    ),
    _K.OTHER_SYSTEM: _T(
        "Le paquet est pour {package_os}, et l'ordinateur a {os_name}.",
        "Désaffectez-le : `distd unassign {asked_id} --computer {device_id}`.",
        "d'un autre système que celui du paquet",
    ),
    _K.LITTLE_DISK: _T(
        "Son disque a {free_bytes} libres ; il faut à l'agent trois fois le paquet : {needed_bytes}.",
        "Libérez de la place sur cet ordinateur ; son prochain inventaire dira combien il en a.",
        "au disque trop plein",
    ),
    _K.NO_TURN: _T(
        "La priorité {priority} n'a jamais son tour : une période n'a que {period_length} cycles.",
        "`distd package edit {asked_id} --priority N` avec N jusqu'à {period_length}, ou un download.period_length "
        "plus grand.",
        "aux périodes trop courtes pour sa priorité",
    ),
    _K.OPTION_IGNORED: _T(
        "L'agent ignore {options} : seuls les agents Windows connaissent ces options.",
        "Prenez --not-before à la place de --schedule ; mettez la commande dans le paquet.",
        "dont l'agent ignore une option",
    ),
    _K.WITHDRAWN_TOLD: _T(
        "Le paquet est retiré ; l'agent, notifié avant, reçoit des fragments vides et signalera ERR_BAD_DIGEST.",
        "Rien : il se termine de lui-même.",
        "en train de le terminer, car retiré",
    ),
    _K.CANCELLED_TOLD: _T(
        "Il est annulé pour cet ordinateur : son agent reçoit des fragments vides et signalera ERR_BAD_DIGEST.",
        "Rien : il se termine de lui-même.",
        "en train de le terminer, car annulé",
    ),
    _K.STARVED: _T(
        "Le paquet {first_other} de priorité 0 prive tous les autres de leur tour jusqu'à sa fin.",
        "`distd why {device_id} {first_other}` dit où en est celui-là.",
        "privé(s) de tour par un paquet de priorité 0",
    ),
    _K.SCHEDULED: _T(
        "L'agent Windows doit le déployer le {schedule}, à son heure locale.",
        "Attendez, ou affectez-le de nouveau sans --schedule.",
        "dont l'heure prévue n'est pas encore venue",
    ),
    _K.CERTIFICATE_NAME: _T(
        "Les agents doivent télécharger `info` de {server}, mais le certificat est pour {names} : ils le refusent.",
        "`distd keys rotate server` avec --host, ou mettez un de ces noms dans server.host.",
        "avec un nom absent du certificat",
    ),
    _K.CERTIFICATE_ENDED: _T(
        "Le certificat du serveur a pris fin le {ends_at_s} : les agents le refusent.",
        "`distd keys rotate server` en fait un nouveau.",
        "refusant le certificat, qui a pris fin",
    ),
    _K.INFO_NOT_FETCHED: _T(
        "L'agent Windows a été notifié le {notified_at_s} et n'a rien téléchargé depuis. Un tel agent ne dit rien "
        "quand il ne peut pas télécharger `info` de {server} par HTTPS : port fermé, certificat refusé, mauvais nom.",
        _CHECK + _COMPARE,
        "sans doute sans accès au port HTTPS, ou refusant son certificat",
    ),
    _K.NO_FRAGMENT: _T(
        "L'agent a été notifié le {notified_at_s} et n'a signalé aucune erreur avec `info`, mais n'a téléchargé aucun "
        "fragment ; un tour lui revenait toutes les {gap_s}.",
        "L'ordinateur est-il allumé ? Son agent recommence au prochain contact, vers le {expected_at_s}. Là-bas, "
        "`curl -I http://{http}/healthz` dit s'il atteint le serveur.",
        "sans aucun fragment",
    ),
    _K.STALLED: _T(
        "Il a {count} fragments sur {fragments} et attend le numéro {missing} depuis le {last_at_s} ; un tour lui "
        "revenait toutes les {gap_s}.",
        "L'ordinateur est-il allumé ? Son agent continue au prochain contact, vers le {expected_at_s}.",
        "bloqué(s) à un fragment",
    ),
    _K.MIRROR_LOST: _T(
        "Il télécharge du serveur de redistribution {mirror}, hors ligne depuis le {seen_at_s}.",
        "Relancez-le : `redistrib status` là-bas. Un agent Windows garde le serveur qu'il a reçu d'abord.",
        "dont le serveur de redistribution est hors ligne",
    ),
    _K.MIRROR_BAD: _T(
        "Le serveur de redistribution {mirror} a un fichier corrompu du paquet, {bad_file}, et n'a pas pu le "
        "remplacer.",
        "Regardez son disque et sa liaison avec ce serveur : `redistrib verify` là-bas.",
        "dont le serveur de redistribution a un fichier corrompu",
    ),
    _K.MIRROR_NOT_READY: _T(
        "Le serveur de redistribution {mirror}, prévu pour lui, n'a pas encore le paquet.",
        "`distd mirror show {mirror}` ; d'ici là d'autres servent l'ordinateur.",
        "dont le serveur de redistribution n'a pas encore le paquet",
    ),
    _K.LINE_FULL: _T(
        "La ligne est pleine : les règles de débit laissent {line_bytes_per_s} à chaque ordinateur qui télécharge, un "
        "fragment dure donc {fragment_s}.",
        "Attendez, ou changez bandwidth.rules ; `distd plan {asked_id}` dit quand tous auront fini.",
        "sur une ligne pleine",
    ),
    _K.ON_SCHEDULE: _T(
        "Il télécharge selon son horaire : {count} fragments sur {fragments}, le dernier le {last_at_s} ; le prochain "
        "tour lui revient avant le {due_at_s}.",
        "Attendez. Des pauses plus courtes ou une priorité plus petite vont plus vite.",
        "en téléchargement, selon l'horaire",
    ),
    _K.FIRST_TURN: _T(
        "Son agent a été notifié le {notified_at_s} ; son premier tour lui revient avant le {due_at_s}.",
        "Attendez.",
        "avant le premier tour",
    ),
    _K.ALL_FETCHED: _T(
        "Il a les {fragments} fragments depuis le {last_at_s}, et n'a pas signalé de résultat : il assemble ou exécute "
        "le paquet, ou attend son utilisateur.",
        "Regardez l'écran de cet ordinateur et le journal de l'agent. Un agent Windows arrête une commande après "
        "{execution_timeout_min} minutes.",
        "avec tous les fragments, sans résultat",
    ),
    _K.NO_RESULT: _T(
        "L'agent a été notifié le {notified_at_s} d'une commande sans fichier, et n'a pas signalé de résultat.",
        "L'ordinateur est-il allumé ? Regardez-y le journal de l'agent ; prochain contact attendu le {expected_at_s}.",
        "sans résultat",
    ),
    _K.ELSEWHERE: _T(
        "Ses fragments viennent de {fragment_server}, pas de ce serveur : personne ne dit où il en est.",
        "Depuis cet ordinateur : `curl -I http://{fragment_server}/{asked_id}/{asked_id}-1`.",
        "servi(s) par un autre serveur",
    ),
    _K.FETCHED_UNNAMED: _T(
        "De son adresse, {unnamed} fragments ont été téléchargés sur un chemin qui ne nomme aucun ordinateur : l'agent "
        "utilise une ancienne adresse.",
        "Il prendra la nouvelle à son prochain contact ; un agent Windows seulement avec un nouveau paquet.",
        "sur un ancien chemin",
    ),
    _K.FETCHED_TWICE: _T(
        "{repeated} fragments ont été téléchargés plus d'une fois : l'agent n'a pu les garder, ou a été interrompu.",
        "Regardez le disque de cet ordinateur, et la ligne.",
        "avec des fragments téléchargés plus d'une fois",
    ),
    _K.SUCCEEDED: _T("Il est déployé depuis le {result_at_s} : {meaning}", "", "terminé(s)"),
    _K.UNPROVEN: _T(
        "L'agent a signalé {code} le {result_at_s}, mais aucun fragment du paquet n'a été envoyé à cet ordinateur.",
        "`distd accept {asked_id} --computer {device_id}`, ou affectez-le avec --force.",
        "au succès non prouvé",
    ),
    _K.ARCHIVED: _T(
        "Il s'est terminé par {code} le {result_at_s}, et un opérateur l'a archivé : {meaning}",
        "Pour le déployer de nouveau : `distd assign {asked_id} --computer {device_id} --force`.",
        "archivé(s)",
    ),
    _K.CONTRADICTED: _T(
        "L'agent a ensuite signalé {later_code}, qui ne compte pas : le premier résultat compte.",
        "Regardez le journal de l'agent sur cet ordinateur.",
        "avec un autre résultat signalé ensuite",
    ),
    _K.INFO_FAILED: _T(
        "L'agent n'a pas pu télécharger `info` de {server} le {result_at_s} ({code}) : port fermé, certificat refusé, "
        "ou mauvais nom.",
        _CHECK + _COMPARE + " Puis `distd renotify {asked_id} --computer {device_id}`.",
        "sans accès au port HTTPS, ou refusant son certificat",
    ),
    _K.DISK_FULL: _T(
        "Le disque de l'ordinateur était trop plein le {result_at_s} ({code}) : il faut trois fois le paquet, "
        "{needed_bytes}.",
        "Libérez-y de la place, puis `distd renotify {asked_id} --computer {device_id}`.",
        "au disque plein",
    ),
    _K.BAD_DIGEST: _T(
        "Le paquet assemblé n'avait pas la bonne empreinte le {result_at_s} ({code}) : un fragment a été corrompu en "
        "route ou sur un serveur.",
        "`distd package verify {asked_id}` ; un proxy change-t-il ce qu'il transmet ? Puis `distd renotify {asked_id} "
        "--computer {device_id}`.",
        "à la mauvaise empreinte",
    ),
    _K.TIMED_OUT: _T(
        "Le paquet n'était pas complet en {timeout_days} jours, l'agent y a donc renoncé le {result_at_s} ({code}).",
        "Des pauses plus courtes ou des fragments plus grands (`distd plan {asked_id}`), puis `distd renotify "
        "{asked_id} --computer {device_id}`.",
        "au délai dépassé",
    ),
    _K.EXPIRED: _T(
        "Son agent n'a pas été notifié avant le {not_after_s}, il s'est donc terminé sans ({code}).",
        "Affectez-le de nouveau avec un --not-after plus tardif.",
        "non notifié(s) à temps",
    ),
    _K.REFUSED_BY_USER: _T(
        "L'utilisateur de l'ordinateur a refusé le paquet le {result_at_s} ({code}).",
        "Parlez-lui, puis `distd renotify {asked_id} --computer {device_id}` ; sans --can-abort, nul ne peut refuser.",
        "dont l'utilisateur l'a refusé",
    ),
    _K.CANCELLED: _T(
        "Il a été annulé pour cet ordinateur, et s'est terminé le {result_at_s} ({code}).",
        "`distd renotify {asked_id} --computer {device_id}` recommence.",
        "annulé(s)",
    ),
    _K.EXIT_CODE: _T(
        "La commande s'est terminée le {result_at_s} avec un code qui n'est pas 0 ({code}) : {meaning}",
        "Le manuel de son programme dit ce que ce code signifie ; puis `distd renotify {asked_id} --computer "
        "{device_id}`.",
        "dont la commande a échoué avec un code",
    ),
    _K.FAILED: _T(
        "Il a échoué le {result_at_s} avec {code} : {meaning}",
        "Regardez le journal de l'agent sur cet ordinateur, puis `distd renotify {asked_id} --computer {device_id}`.",
        "en échec",
    ),
    _K.NOT_JUDGED: _T(
        "Il n'a pas été regardé.", "`distd why DEVICEID {asked_id}` le fait pour un seul.", "non regardé(s)"
    ),
}
