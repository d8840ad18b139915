"""What an operator reads and clicks on the handout's tour, in both languages: in French the handout's own words."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TourWords = Mapping[str, str]

_TABLE: Final = {
    "To the content": "Aller au contenu",
    "Main navigation": "Navigation principale",
    "Packages": "Paquets",
    "Computers": "Ordinateurs",
    "Create a package": "Créer un paquet",
    "Name": "Nom",
    "System": "Système",
    "Protocol": "Protocole",
    "Priority": "Priorité",
    "File": "Fichier",
    "Action": "Action",
    "Store": "Stocker",
    "Path": "Chemin",
    "Send": "Envoyer",
    "252\N{NO-BREAK SPACE}kB": "252\N{NO-BREAK SPACE}Ko",
    "Number of fragments": "Nombre de fragments",
    "Validate": "Valider",
    "Activate now": "Activer maintenant",
    "Manual activation": "Activation manuelle",
    "Https server": "Serveur https",
    "File server": "Serveur de fichiers",
    "Test both": "Tester les deux",
    "The digest is right.": "L'empreinte est bonne.",
    "Activate": "Activer",
    "Search computers by a filter": "Rechercher des ordinateurs par un filtre",
    "Deploy a package": "Télédéployer un paquet",
    "Package": "Paquet",
    "More": "Plus",
    "also on computers with another system": "aussi sur des ordinateurs au système différent",
    "Show what would happen": "Montrer ce qui se passerait",
    "Deploy to {number} computer": "Télédéployer sur {number} ordinateur",
    "Deploy to {number} computers": "Télédéployer sur {number} ordinateurs",
    "WAITING FOR NOTIFICATION": "ATTENTE NOTIFICATION",
    "SUCCESS": "SUCCÈS",
    "ARCHIVED": "ARCHIVÉ",
    "Not notified": "Non notifiés",
    "Success": "Succès",
    "Errors": "Erreurs",
    "Archived": "Archivés",
    "Statistics of {name}": "Statistiques de {name}",
    "Validate SUCCESS": "Valider SUCCÈS",
    "Validate all": "Tout valider",
    "Validate results": "Valider des résultats",
    "Unassign not notified": "Désaffecter non notifiés",
}
FRENCH: Final[TourWords] = MappingProxyType(_TABLE)
ENGLISH: Final[TourWords] = MappingProxyType({word: word for word in _TABLE})
