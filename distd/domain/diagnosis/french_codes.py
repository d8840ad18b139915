"""What result codes mean, in French."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# What result codes mean: `domain.results.CODES` has the English sentences.
CODES: Final[Mapping[str, str]] = {
    "NOTIFIED": "L'agent est notifié ; il télécharge le paquet selon son horaire.",
    "SUCCESS": "Le paquet est déployé.",
    "SUCCESS_": "Le paquet est déployé ; l'agent n'a pas pu dire son code de sortie.",
    "SUCCESS_0": "Le paquet a été lancé et s'est terminé avec le code 0.",
    "SUCCESS_ALREADY_SETUP": "L'agent a ce paquet dans son historique et ne l'a pas exécuté de nouveau.",
    "SUCCESS_ALREADY_IN_HISTORY": "L'ordinateur a ce paquet dans son historique, l'agent n'a donc pas été notifié.",
    "SUCCESS_REBOOT_INITIATED": "Le paquet est déployé et a lancé un redémarrage.",
    "SUCCESS_REBOOT_REQUIRED": "Le paquet est déployé ; il faut redémarrer.",
    "SUCCESS_RESTART_REQUIRED": "Le paquet est déployé ; il faut relancer.",
    "ERR_ABORTED": "L'utilisateur a refusé le paquet.",
    "ERR_ALREADY_SETUP": "L'agent a déjà ce paquet.",
    "ERR_BAD_DIGEST": "Le paquet assemblé n'a pas l'empreinte de son info : un fragment est corrompu.",
    "ERR_BAD_ID": "L'info est celle d'un autre paquet.",
    "ERR_BAD_PARAM": "L'agent ne comprend pas une valeur de l'info.",
    "ERR_BUILD": "Les fragments n'ont pas pu être assemblés ou décompressés.",
    "ERR_CLEAN": "L'agent n'a pas pu supprimer son dossier de travail.",
    "ERR_DONE_FAILED": "L'agent n'a pas pu noter que le paquet est fait.",
    "ERR_DOWNLOAD_INFO": "L'info n'a pas pu être téléchargée : l'adresse ou le certificat est faux.",
    "ERR_DOWNLOAD_PACK": "Les fragments n'ont pas pu être téléchargés.",
    "ERR_EXECUTE": "La commande a échoué, ou le fichier à lancer n'existe pas.",
    "ERR_EXECUTE_NOT_ALLOWED": "L'agent, celui de distd, n'a pas le droit d'exécuter : il lui manque --allow-execute.",
    "ERR_EXECUTE_NO_EXIT_CODE": "Le code de sortie de la commande n'a pas pu être lu.",
    "ERR_EXECUTE_PACK": "La commande a échoué.",
    "ERR_EXECUTE_TIMEOUT": "La commande a duré trop longtemps et a été arrêtée.",
    "ERR_EXECUTE_TOO_MANY_TRY": "La commande a été essayée trop souvent.",
    "ERR_EXPIRED": "L'agent n'a pas été notifié avant l'heure limite du paquet.",
    "ERR_NO_LAUNCHER": "Le lanceur de l'agent manque.",
    "ERR_NO_PARAM": "Une valeur manque dans l'info.",
    "ERR_OUT_OF_SPACE": "Le disque de l'ordinateur est trop plein : il faut trois fois le paquet.",
    "ERR_TIMEOUT": "Le paquet n'était pas complet en download.timeout_days.",
    "ERR_UNZIP": "L'archive n'a pas pu être décompressée.",
    "UNKNOWN_CODE": "L'agent a signalé quelque chose d'inconnu.",
}
EXIT_CODE: Final = "La commande s'est terminée avec le code {number}."
UNKNOWN_CODE: Final = "Un code que distd ne connaît pas."
